"""Where pieces of a vocabulary can be cut into two others: all their cuts at once, by hashes.

A quarter of a million pieces has two million cuts, and Python takes half a microsecond for each.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BASE = 0x9E3779B97F4A7C15
"""Of the polynomial: odd, so that it has an inverse; 2^64 / golden ratio, its bits look random."""
WORD_BITS = 64
SLOT_BITS = 22
"""A table of so many slots fits a cache; a quarter of a million pieces fills one in sixteen."""


class _Pieces:
    """Looks pieces up by their hashes [pieces]; a table of bits says of most others "no"."""

    def __init__(self, hashes: NDArray[np.uint64]) -> None:
        self._order = np.argsort(hashes)
        self._sorted = hashes[self._order]
        self._is_taken = np.zeros(1 << SLOT_BITS, np.bool_)
        self._is_taken[self._slots(hashes)] = True

    @property
    def has_twins(self) -> bool:
        """Whether two pieces have one hash."""
        return bool((self._sorted[1:] == self._sorted[:-1]).any())

    def may_have(self, hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The places in `hashes` of those that may be a piece's."""
        return np.flatnonzero(self._is_taken[self._slots(hashes)])

    def find(self, hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The index of the piece with each hash; of one that no piece has, any."""
        at = np.searchsorted(self._sorted, hashes)
        return self._order[np.minimum(at, len(self._sorted) - 1)]

    @staticmethod
    def _slots(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Where hashes stand in the table: their highest bits."""
        return hashes >> np.uint64(WORD_BITS - SLOT_BITS)


def find_cuts(pieces: Sequence[str]) -> list[tuple[str, str]]:
    """Every way to cut a piece into two others, in the order of the pieces; all are different.

    The hash of a text is the sum of code point k times BASE^(k + 1), modulo 2^64: sums over all
    pieces one after the other give those of every beginning and every end.
    """
    if not pieces:
        return []
    codes = np.frombuffer("".join(pieces).encode("utf-32-le"), "<u4")
    lengths = np.fromiter(map(len, pieces), np.int32, len(pieces))
    ends = np.cumsum(lengths, dtype=np.int32)
    longest = int(lengths.max())
    places = np.arange(len(codes), dtype=np.int32)  # [codes] in their piece
    places -= np.repeat(ends - lengths, lengths)
    sums = np.cumsum(codes * _powers(BASE, longest)[places + 1])
    before = np.concatenate([sums[:1] * 0, sums])[ends - lengths]  # [pieces]
    known = _Pieces(sums[ends - 1] - before)
    if known.has_twins:  # takes a vocabulary made for it
        return cuts_one_by_one(pieces)

    left = sums - np.repeat(before, lengths)  # of every beginning
    at = known.may_have(left)
    owners = np.searchsorted(ends, at, side="right")
    right = sums[ends[owners] - 1] - sums[at]
    right *= _powers(pow(BASE, -1, 1 << WORD_BITS), longest)[places[at] + 1]
    likely = known.may_have(right)
    at, owners, right = at[likely], owners[likely], right[likely]
    found = zip(
        known.find(left[at]).tolist(), known.find(right).tolist(), owners.tolist(), strict=True
    )
    # Equal texts have equal hashes, so nothing is missed; what the table mistook is left out.
    return [
        (pieces[first], pieces[second])
        for first, second, owner in found
        if pieces[first] + pieces[second] == pieces[owner]
    ]


def cuts_one_by_one(pieces: Sequence[str]) -> list[tuple[str, str]]:
    """As `find_cuts`, without hashes of our own."""
    known = set(pieces)
    return [
        (piece[:cut], piece[cut:])
        for piece in pieces
        for cut in range(1, len(piece))
        if piece[:cut] in known and piece[cut:] in known
    ]


def _powers(base: int, count: int) -> NDArray[np.uint64]:
    """base^0 to base^count, modulo 2^64."""
    factors = np.full(count + 1, base, np.uint64)
    factors[0] = 1
    return np.cumprod(factors)
