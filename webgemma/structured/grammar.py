"""Grammars of what a reply may be, as data. web/runtime/structured/grammar.js is its twin.

A grammar speaks of characters, not of tokens. It is written out for a library, which knows what
tokens it allows (`lark.py`), and walked for the shortest way to its end (`walk.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Range = tuple[int, int]
"""The first and the last code point of some in a row."""


@dataclass(frozen=True, slots=True)
class Text:
    """These characters."""

    text: str


@dataclass(frozen=True, slots=True)
class Chars:
    """One character of these ranges, which are in order and do not touch."""

    ranges: tuple[Range, ...]


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after the other."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several."""

    options: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """Something that is not empty, `least` times or more, at most `most` times."""

    item: Node
    least: int
    most: int | None
    """None: as often as wanted."""


@dataclass(frozen=True, slots=True)
class Lexeme:
    """A string or number as one piece, without rules in it: what a lexer takes at once."""

    item: Node


@dataclass(frozen=True, slots=True)
class Rule:
    """What a rule says."""

    name: str


Node = Text | Chars | Sequence | Choice | Repeat | Lexeme | Rule


@dataclass(frozen=True, slots=True)
class Grammar:
    """Rules by name; a text of the grammar is one of the rule "root"."""

    rules: Mapping[str, Node]


ROOT = "root"
DIGITS = Chars(((0x30, 0x39),))


def sequence(*items: Node) -> Node:
    """One after the other; texts in a row are one."""
    flat: list[Node] = []
    for item in items:
        for part in item.items if isinstance(item, Sequence) else (item,):
            last = flat[-1] if flat else None
            if isinstance(part, Text) and isinstance(last, Text):
                flat[-1] = Text(last.text + part.text)
            elif part != Text(""):
                flat.append(part)
    return flat[0] if len(flat) == 1 else Sequence(tuple(flat))


def choice(options: Iterable[Node]) -> Node:
    """One of several, of which there is one at least."""
    distinct = tuple(dict.fromkeys(options))
    return distinct[0] if len(distinct) == 1 else Choice(distinct)


def optional(item: Node) -> Node:
    """Something or nothing."""
    return Repeat(item, 0, 1)


def chars(text: str) -> Chars:
    """One of these characters."""
    return Chars(join_ranges([(ord(char), ord(char)) for char in text]))


def join_ranges(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """Put ranges in order, and those that touch together."""
    joined: list[Range] = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return tuple(joined)


def without(ranges: Iterable[Range], removed: Iterable[Range]) -> tuple[Range, ...]:
    """What is left of ranges without others."""
    left = list(ranges)
    for first, last in removed:
        left = [
            part
            for start, end in left
            for part in ((start, min(end, first - 1)), (max(start, last + 1), end))
            if part[0] <= part[1]
        ]
    return join_ranges(left)


def shortest_texts(rules: Mapping[str, Node]) -> dict[str, str]:
    """The shortest text of every rule that has one, in bytes of UTF-8; the first of several."""
    found: dict[str, str] = {}
    changed = True
    while changed:
        changed = False
        for name, node in rules.items():
            text = shortest_text(node, found)
            if text is not None and (name not in found or nbytes(text) < nbytes(found[name])):
                found[name] = text
                changed = True
    return found


def shortest_text(node: Node, rules: Mapping[str, str]) -> str | None:
    """The shortest text of a node; None if it has none.

    Args:
        node: Of a grammar.
        rules: What is known of its rules' shortest texts.
    """
    match node:
        case Text(text):
            return text
        case Chars(ranges):
            return chr(ranges[0][0])
        case Sequence(items):
            parts = [shortest_text(item, rules) for item in items]
            known = [part for part in parts if part is not None]
            return "".join(known) if len(known) == len(parts) else None
        case Choice(options):
            texts = (shortest_text(option, rules) for option in options)
            return min((text for text in texts if text is not None), key=nbytes, default=None)
        case Repeat(item, least, _):
            once = shortest_text(item, rules) if least else ""
            return None if once is None else once * least
        case Lexeme(item):
            return shortest_text(item, rules)
        case Rule(name):
            return rules.get(name)


def nbytes(text: str) -> int:
    """Bytes of a text in UTF-8."""
    return len(text.encode())
