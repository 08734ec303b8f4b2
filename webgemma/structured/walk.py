"""Where a text stands in a grammar, and the shortest way from there to its end.

web/runtime/structured/walk.js is its twin. Libraries say which token may come next, but not how
many it takes to finish; a reply must know, or it is cut off where its tokens run out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from webgemma.structured.grammar import (
    ROOT,
    Chars,
    Choice,
    Grammar,
    Lexeme,
    Node,
    Repeat,
    Rule,
    Sequence,
    Text,
    nbytes,
    shortest_text,
    shortest_texts,
)

UTF8_LENGTHS = ((0xC0, 1), (0xE0, 2), (0xF0, 3), (0xF8, 4))
"""First bytes below -> bytes of the character, if they begin one."""


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """What has to be written, one after the other."""

    node: Node
    done: int
    """Of a text: characters that are written; of a sequence or repetition: items."""
    below: Stack | None
    rest_nbytes: int
    """Bytes of the shortest text that does it all."""


class Paths:
    """The stacks of one grammar. Equal ones are one object, so sets of them stay small."""

    def __init__(self, grammar: Grammar) -> None:
        self.rules = grammar.rules
        self.shortest = shortest_texts(grammar.rules)
        self._texts: dict[int, str] = {}
        self._stacks: dict[tuple[int, int, int], Stack] = {}

    def start(self) -> Walk:
        """The beginning of a text."""
        return Walk(self, tuple(self.unique(self.expand(self.rules[ROOT], None))), b"")

    def text(self, node: Node) -> str:
        """The shortest text of a node."""
        text = self._texts.get(id(node))
        if text is None:
            text = shortest_text(node, self.shortest)
            assert text is not None, "check_references refuses what has no end"
            self._texts[id(node)] = text
        return text

    def stack(self, node: Node, done: int, below: Stack | None) -> Stack:
        """Put something on a stack."""
        key = (id(node), done, id(below))
        known = self._stacks.get(key)
        if known is None:
            rest = nbytes(self.rest_of(node, done))
            known = Stack(node, done, below, rest + (below.rest_nbytes if below else 0))
            self._stacks[key] = known
        return known

    def rest_of(self, node: Node, done: int) -> str:
        """The shortest text of what is left of a node."""
        match node:
            case Text(text):
                return text[done:]
            case Sequence(items):
                return "".join(self.text(item) for item in items[done:])
            case Repeat(item, least, _):
                return self.text(item) * max(least - done, 0)
        return self.text(node)

    def expand(self, node: Node, below: Stack | None) -> Iterator[Stack | None]:
        """The stacks that begin with a character of `node`; None where the text may end."""
        match node:
            case Text("") | Sequence(()):
                yield from self.resume(below)
            case Text() | Chars():
                yield self.stack(node, 0, below)
            case Sequence() | Repeat():
                yield from self.resume(self.stack(node, 0, below))
            case Choice(options):
                for option in options:
                    yield from self.expand(option, below)
            case Lexeme(item):
                yield from self.expand(item, below)
            case Rule(name):
                yield from self.expand(self.rules[name], below)

    def resume(self, stack: Stack | None) -> Iterator[Stack | None]:
        """What comes when the top of a stack goes on."""
        if stack is None:
            yield None
            return
        node, done, below = stack.node, stack.done, stack.below
        if isinstance(node, Sequence):
            is_last = done + 1 == len(node.items)
            yield from self.expand(
                node.items[done], below if is_last else self.stack(node, done + 1, below)
            )
        if isinstance(node, Repeat):
            if node.most is None or done < node.most:
                count = min(done + 1, node.least) if node.most is None else done + 1
                yield from self.expand(node.item, self.stack(node, count, below))
            if done >= node.least:
                yield from self.resume(below)

    def step(self, stack: Stack, code: int) -> Iterator[Stack | None]:
        """What comes when a character is written."""
        node = stack.node
        if isinstance(node, Text):
            if ord(node.text[stack.done]) == code:
                if stack.done + 1 < len(node.text):
                    yield self.stack(node, stack.done + 1, stack.below)
                else:
                    yield from self.resume(stack.below)
        elif any(first <= code <= last for first, last in _ranges(stack)):
            yield from self.resume(stack.below)

    def unique(self, stacks: Iterator[Stack | None]) -> list[Stack | None]:
        """Every stack once, in order."""
        return list(dict.fromkeys(stacks))


@dataclass(frozen=True, slots=True)
class Walk:
    """Where a text stands."""

    paths: Paths
    stacks: tuple[Stack | None, ...]
    """What may come; None among them: the text may end."""
    pending: bytes
    """The first bytes of a character."""

    @property
    def may_end(self) -> bool:
        """Whether the text is one of the grammar."""
        return None in self.stacks and not self.pending

    def push(self, data: bytes) -> Walk | None:
        """Go on by some bytes; None if no text of the grammar goes on so."""
        stacks, pending = list(self.stacks), self.pending
        for byte in data:
            if pending and not 0x80 <= byte < 0xC0:
                return None
            pending += bytes([byte])
            if len(pending) < _utf8_length(pending[0]):
                continue
            try:
                code = ord(pending.decode())
            except UnicodeDecodeError:
                return None
            pending = b""
            stacks = self._step(stacks, code)
            if not stacks:
                return None
        if pending and not _characters(stacks, pending):
            return None
        return Walk(self.paths, tuple(stacks), pending)

    def _step(self, stacks: list[Stack | None], code: int) -> list[Stack | None]:
        paths = self.paths
        return paths.unique(new for s in stacks if s is not None for new in paths.step(s, code))

    @property
    def rest_nbytes(self) -> int:
        """How many bytes `rest` has."""
        if self.pending:
            return len(self.rest())
        return min(stack.rest_nbytes if stack else 0 for stack in self.stacks)

    def rest(self) -> bytes:
        """The shortest bytes that end the text."""
        if self.pending:
            return self._finish_character()
        best = min(self.stacks, key=lambda stack: stack.rest_nbytes if stack else 0)
        parts = []
        while best is not None:
            parts.append(self.paths.rest_of(best.node, best.done))
            best = best.below
        return "".join(parts).encode()

    def _finish_character(self) -> bytes:
        """The bytes that are missing of a character, and then the shortest."""
        code = min(_characters(self.stacks, self.pending))
        data = chr(code).encode()[len(self.pending) :]
        walk = self.push(data)
        assert walk is not None, "the character is one of those that may come"
        return data + walk.rest()


def _ranges(stack: Stack) -> tuple[tuple[int, int], ...]:
    """The characters that may come next."""
    if isinstance(stack.node, Text):
        code = ord(stack.node.text[stack.done])
        return ((code, code),)
    assert isinstance(stack.node, Chars), "others are expanded"
    return stack.node.ranges


def _utf8_length(first: int) -> int:
    """Bytes of a character, by its first."""
    return next((length for below, length in UTF8_LENGTHS if first < below), 1)


def _characters(stacks: Iterable[Stack | None], begun: bytes) -> list[int]:
    """Of every range of characters that may come the first whose UTF-8 begins so."""
    low, high = _begun_range(begun)
    return [
        max(first, low)
        for stack in stacks
        if stack is not None
        for first, last in _ranges(stack)
        if max(first, low) <= min(last, high)
    ]


def _begun_range(begun: bytes) -> tuple[int, int]:
    """The first and the last character whose UTF-8 begins so."""
    length = _utf8_length(begun[0])
    code = begun[0] & (0x7F >> length)
    for byte in begun[1:]:
        code = code << 6 | byte & 0x3F
    missing = 6 * (length - len(begun))
    smallest = {2: 0x80, 3: 0x800, 4: 0x10000}[length]
    return max(code << missing, smallest), (code << missing) + (1 << missing) - 1
