"""Simple regular expressions as grammars. web/runtime/structured/pattern.js is its twin.

Only what JavaScript, Python and Rust read alike: characters, classes, groups, alternatives,
repetitions, and anchors at either end. Every text of the grammar matches the pattern.
"""

from __future__ import annotations

from dataclasses import dataclass

from webgemma.structured.grammar import (
    Choice,
    Node,
    Range,
    Repeat,
    Sequence,
    Text,
    choice,
    sequence,
    without,
)
from webgemma.structured.strings import CHARACTER, SURROGATES, one_of, string_node

MAX_REPEATS = 1000
ALL: tuple[Range, ...] = tuple(without([(0, 0xFFFF)], [SURROGATES]))
"""What a negated class is taken from: characters that are one for JavaScript too."""
ASCII: tuple[Range, ...] = ((0x20, 0x7E),)
"""What a negated \\w, \\d or \\s is taken from: beyond it languages differ."""
LINE_ENDS: tuple[Range, ...] = ((0x0A, 0x0A), (0x0D, 0x0D), (0x85, 0x85), (0x2028, 0x2029))
NAMED: dict[str, tuple[Range, ...]] = {
    "d": ((0x30, 0x39),),
    "w": ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)),
    "s": ((0x09, 0x0A), (0x0D, 0x0D), (0x20, 0x20)),
}
CONTROLS = {"t": 0x09, "n": 0x0A, "v": 0x0B, "f": 0x0C, "r": 0x0D}
HEX_DIGITS = {"x": 2, "u": 4}
PUNCTUATION = "^$\\.*+?()[]{}|/-"
COUNTS = {"*": (0, None), "+": (1, None), "?": (0, 1)}


class PatternError(ValueError):
    """A part of a pattern that is not supported."""


def pattern_node(pattern: str) -> Node:
    """The strings in which a pattern is found.

    Raises:
        PatternError: something in it is not supported.
    """
    reader = _Reader(pattern)
    branches = [reader.anchored_branch()]
    while reader.take("|"):
        branches.append(reader.anchored_branch())
    if not reader.at_end:
        raise PatternError(reader.peek)
    return string_node(choice(branches))


@dataclass(slots=True)
class _Reader:
    """Reads a pattern from left to right."""

    pattern: str
    position: int = 0

    @property
    def at_end(self) -> bool:
        return self.position >= len(self.pattern)

    @property
    def peek(self) -> str:
        return self.pattern[self.position : self.position + 1]

    def next(self) -> str:
        """The next character.

        Raises:
            PatternError: the pattern has ended.
        """
        if self.at_end:
            raise PatternError("its end")
        self.position += 1
        return self.pattern[self.position - 1]

    def take(self, text: str) -> bool:
        """Step over a text, if it comes next."""
        found = self.pattern.startswith(text, self.position)
        self.position += len(text) if found else 0
        return found

    def anchored_branch(self) -> Node:
        """An alternative of the whole pattern: without an anchor anything may stand there."""
        anything = Repeat(CHARACTER, 0, None)
        before = [] if self.take("^") else [anything]
        body = self.branch()
        after = [] if self.take("$") else [anything]
        return sequence(*before, body, *after)

    def alternatives(self) -> Node:
        branches = [self.branch()]
        while self.take("|"):
            branches.append(self.branch())
        return choice(branches)

    def branch(self) -> Node:
        parts = []
        while not self.at_end and self.peek not in "|)$":
            parts.append(self.repeated())
        return sequence(*parts) if parts else Text("")

    def repeated(self) -> Node:
        start = self.position
        item = self.atom()
        least, most = self.count()
        self.take("?")  # lazy: the same texts
        if self.peek and self.peek in "*+?{":
            raise PatternError(self.peek)
        if (least, most) == (1, 1):
            return item
        if _may_be_empty(item):
            raise PatternError(f"{self.pattern[start : self.position]} (repeats an empty text)")
        return Text("") if most == 0 else Repeat(item, least, most)

    def count(self) -> tuple[int, int | None]:
        if self.peek and self.peek in COUNTS:
            return COUNTS[self.next()]
        if not self.take("{"):
            return 1, 1
        start = self.position
        while self.next() != "}":
            pass
        text = self.pattern[start : self.position - 1]
        first, comma, second = text.partition(",")
        parts = [first, *([second] if second else [])]
        if not all(part.isascii() and part.isdecimal() for part in parts):
            raise PatternError(f"{{{text}}}")
        numbers = [int(part) for part in parts]
        if max(numbers) > MAX_REPEATS or numbers[0] > numbers[-1]:
            raise PatternError(f"{{{text}}}")
        return numbers[0], None if comma and not second else numbers[-1]

    def atom(self) -> Node:
        char = self.next()
        if char == "(":
            return self.group()
        if char == "[":
            return one_of(self.char_class())
        if char == ".":
            return one_of(without(ALL, LINE_ENDS))
        if char == "\\":
            return one_of(self.escape()[0])
        if char in "^*+?{}]":
            raise PatternError(char)
        return one_of(_one(ord(char)))

    def group(self) -> Node:
        if self.take("?") and not self.take(":"):
            raise PatternError(f"(?{self.peek}")
        node = self.alternatives()
        if not self.take(")"):
            raise PatternError("(" if self.at_end else self.peek)
        return node

    def escape(self) -> tuple[tuple[Range, ...], bool]:
        """What stands behind a backslash, and whether it is a named class."""
        char = self.next()
        if char in NAMED:
            return NAMED[char], True
        if char.lower() in NAMED:
            return without(ASCII, NAMED[char.lower()]), True
        if char in HEX_DIGITS:
            digits = "".join(self.next() for _ in range(HEX_DIGITS[char]))
            if not all(digit in "0123456789abcdefABCDEF" for digit in digits):
                raise PatternError(f"\\{char}{digits}")
            return _one(int(digits, 16)), False
        if char in CONTROLS:
            return _one(CONTROLS[char]), False
        if char in PUNCTUATION:
            return _one(ord(char)), False
        raise PatternError(f"\\{char}")

    def char_class(self) -> tuple[Range, ...]:
        """The characters of a class, behind its bracket."""
        start = self.position - 1
        is_negated = self.take("^")
        ranges: list[Range] = []
        has_named = False
        while not self.take("]"):
            part, is_named = self.class_char()
            has_named |= is_named
            follows = self.pattern[self.position + 1 : self.position + 2]
            if not is_named and self.peek == "-" and follows != "]":
                self.next()
                end, is_named = self.class_char()
                if is_named or end[0][0] < part[0][0]:
                    raise PatternError(self.pattern[start : self.position])
                part = ((part[0][0], end[0][0]),)
            ranges += part
        if is_negated:
            ranges = list(without(ASCII if has_named else ALL, ranges))
        left = without(ranges, [SURROGATES])
        if not left:
            raise PatternError(self.pattern[start : self.position])
        return left

    def class_char(self) -> tuple[tuple[Range, ...], bool]:
        char = self.next()
        if char == "\\":
            return self.escape()
        if char == "[":
            raise PatternError("[[")
        return _one(ord(char)), False


def _one(code: int) -> tuple[Range, ...]:
    """One character.

    Raises:
        PatternError: it is half a character, which no string has.
    """
    if SURROGATES[0] <= code <= SURROGATES[1]:
        raise PatternError(f"\\u{code:x}")
    return ((code, code),)


def _may_be_empty(node: Node) -> bool:
    """Whether a node's text may have no characters."""
    match node:
        case Text(text):
            return text == ""
        case Repeat(item, least, _):
            return least == 0 or _may_be_empty(item)
        case Sequence(items):
            return all(_may_be_empty(item) for item in items)
        case Choice(options):
            return any(_may_be_empty(option) for option in options)
    return False
