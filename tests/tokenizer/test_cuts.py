"""Cuts found by hashes: none is missed, few are mistaken, and they come in order."""

from __future__ import annotations

import random

from webgemma.tokenizer.cuts import likely_cuts


def all_cuts(pieces: list[str]) -> list[tuple[str, str]]:
    """What `likely_cuts` has to find, one by one."""
    known = set(pieces)
    return [
        (piece[:cut], piece[cut:])
        for piece in pieces
        for cut in range(1, len(piece))
        if piece[:cut] in known and piece[cut:] in known
    ]


def test_a_few() -> None:
    assert list(likely_cuts([])) == []
    assert list(likely_cuts(["a"])) == []
    pieces = ["ab", "abab", "a", "b", "bab"]
    assert list(likely_cuts(pieces)) == [("a", "b"), ("a", "bab"), ("ab", "ab"), ("b", "ab")]


def test_many() -> None:
    """Pieces of one to three bytes of UTF-16, up to 60 characters long."""
    draw = random.Random(7)
    letters = "ab\u2581\u00e9\u4e00\U0001f600"
    pieces = list({"".join(draw.choices(letters, k=draw.randint(1, 7))) for _ in range(20_000)})
    pieces += ["a" * 30, "a" * 60, letters * 9, letters * 5, letters * 4]
    expected = all_cuts(pieces)
    assert len(expected) > 20_000
    found = list(likely_cuts(pieces))
    assert len(found) <= 1.02 * len(expected)
    known = set(pieces)
    assert [(left, right) for left, right in found if left in known and right in known] == expected
