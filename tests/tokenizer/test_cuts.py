"""Cuts found by hashes: none is missed, none is mistaken, and they come in order."""

from __future__ import annotations

import random

import pytest

from webgemma.tokenizer import cuts
from webgemma.tokenizer.cuts import cuts_one_by_one, find_cuts


def test_a_few() -> None:
    assert find_cuts([]) == []
    assert find_cuts(["a"]) == []
    pieces = ["ab", "abab", "a", "b", "bab"]
    assert find_cuts(pieces) == [("a", "b"), ("a", "bab"), ("ab", "ab"), ("b", "ab")]


def test_many() -> None:
    """Pieces of one to three bytes of UTF-16, up to 60 characters long."""
    draw = random.Random(7)
    letters = "ab\u2581\u00e9\u4e00\U0001f600"
    pieces = list({"".join(draw.choices(letters, k=draw.randint(1, 7))) for _ in range(20_000)})
    pieces += ["a" * 30, "a" * 60, letters * 9, letters * 5, letters * 4]
    expected = cuts_one_by_one(pieces)
    assert len(expected) > 20_000
    assert find_cuts(pieces) == expected


def test_equal_hashes_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a hash that is the sum of the letters, "ad" is "bc"; alone, or with it."""
    monkeypatch.setattr(cuts, "BASE", 1)
    assert find_cuts(["bc", "ade", "bce", "e"]) == [("bc", "e")]
    assert find_cuts(["bc", "ad", "ade", "bce", "e"]) == [("ad", "e"), ("bc", "e")]
