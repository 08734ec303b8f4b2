"""Strings of JSON as grammars. web/runtime/structured/strings.js is its twin."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from webgemma.structured.grammar import (
    Chars,
    Lexeme,
    Node,
    Range,
    Repeat,
    Text,
    chars,
    choice,
    join_ranges,
    sequence,
    without,
)

CONTROL: Range = (0x00, 0x1F)
SURROGATES: Range = (0xD800, 0xDFFF)
QUOTED: tuple[Range, ...] = (CONTROL, (0x22, 0x22), (0x5C, 0x5C), SURROGATES)
"""What stands in a string behind a backslash, or not at all."""
PLAIN = Chars(without([(0, 0x10FFFF)], QUOTED))
"""A character that stands for itself."""
HEX = Chars(join_ranges([(0x30, 0x39), (0x41, 0x46), (0x61, 0x66)]))
CHARACTER = choice(
    [
        PLAIN,
        sequence(Text("\\"), chars('"\\/bfnrt')),
        # \ud800 to \udfff are halves of characters: they count as two, or as none.
        sequence(Text("\\u"), chars("0123456789abcefABCEF"), Repeat(HEX, 3, 3)),
        sequence(Text("\\u"), chars("dD"), chars("01234567"), Repeat(HEX, 2, 2)),
    ]
)
"""One character of a string, however it is written."""


def string_node(content: Node) -> Node:
    """A string with this content."""
    return Lexeme(sequence(Text('"'), content, Text('"')))


STRING = string_node(Repeat(CHARACTER, 0, None))


def quoted(text: str) -> Text:
    """The one string that is written as JSON.stringify does."""
    return Text(json.dumps(text, ensure_ascii=False))


def one_of(ranges: Iterable[Range]) -> Node:
    """One of these characters, as it is written in a string."""
    ranges = list(ranges)
    plain = without(ranges, QUOTED)
    escaped = [
        Text(json.dumps(chr(code), ensure_ascii=False)[1:-1])
        for code in (0x22, 0x5C, *range(CONTROL[0], CONTROL[1] + 1))
        if any(first <= code <= last for first, last in ranges)
    ]
    is_one = len(plain) == 1 and plain[0][0] == plain[0][1]
    unescaped = [Text(chr(plain[0][0])) if is_one else Chars(plain)] if plain else []
    return choice([*unescaped, *escaped])


def other_key(names: Sequence[str]) -> Node:
    """The key of a property that is none of these, without backslashes in it."""
    unescaped = [name for name in names if json.dumps(name, ensure_ascii=False) == f'"{name}"']
    return Lexeme(sequence(Text('"'), _other_text(unescaped), Text('": ')))


def _other_text(names: Sequence[str]) -> Node:
    """Texts of plain characters that are none of `names`."""
    endings: dict[str, list[str]] = {}
    for name in names:
        if name:
            endings.setdefault(name[0], []).append(name[1:])
    taken = [(ord(char), ord(char)) for char in endings]
    free = sequence(Chars(without(PLAIN.ranges, taken)), Repeat(PLAIN, 0, None))
    options = [sequence(Text(char), _other_text(rest)) for char, rest in endings.items()]
    return choice([*options, free, *([] if "" in names else [Text("")])])
