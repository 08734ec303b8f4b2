"""Where pieces of a vocabulary may be cut into two others: all their cuts at once, by hashes.

A quarter of a million pieces has two million cuts, and Python takes half a microsecond for each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

BASE = 0x9E3779B97F4A7C15
"""Of the polynomial: odd, so that it has an inverse; 2^64 / golden ratio, its bits look random."""
WORD_BITS = 64
SLOT_BITS = 22
"""A table of so many slots fits a cache; a quarter of a million pieces fills one in sixteen."""


class _Pieces:
    """The hashes of all pieces: two tables, each by other bits, so that one in 256 is mistaken."""

    def __init__(self, hashes: NDArray[np.uint64]) -> None:
        self._tables = np.zeros((2, 1 << SLOT_BITS), np.bool_)
        for number, table in enumerate(self._tables):
            table[self._slots(hashes, number)] = True

    def has(self, hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Whether each of `hashes` [n] is probably that of a piece; if it is one, always."""
        found: NDArray[np.bool_] = self._tables[0, self._slots(hashes, 0)]
        likely = np.flatnonzero(found)
        found[likely] = self._tables[1, self._slots(hashes[likely], 1)]
        return found

    @staticmethod
    def _slots(hashes: NDArray[np.uint64], number: int) -> NDArray[np.uint64]:
        """Where hashes stand in a table: their highest bits, or those below."""
        shift = np.uint64(WORD_BITS - SLOT_BITS * (number + 1))
        return hashes >> shift & np.uint64((1 << SLOT_BITS) - 1)


def likely_cuts(pieces: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield every way to cut a piece into two others, in order, and a few that are none.

    The hash of a text is the sum of code point k times BASE^(k + 1), modulo 2^64: sums over
    all pieces one after the other give those of every beginning and every end. Equal texts have
    equal hashes, so nothing is missed; what is found must be compared.
    """
    codes = np.frombuffer("".join(pieces).encode("utf-32-le"), "<u4")
    lengths = np.fromiter(map(len, pieces), np.int32, len(pieces))
    ends = np.cumsum(lengths, dtype=np.int32)
    longest = int(lengths.max(initial=0))
    places = np.arange(len(codes), dtype=np.int32)  # [codes] in their piece
    places -= np.repeat(ends - lengths, lengths)
    sums = np.cumsum(codes * _powers(BASE, longest)[places + 1])
    before = np.concatenate([sums[:1] * 0, sums])[ends - lengths]  # [pieces]
    all_pieces = _Pieces(sums[ends - 1] - before)

    left = np.flatnonzero(all_pieces.has(sums - np.repeat(before, lengths)))
    owners = np.searchsorted(ends, left, side="right")
    is_cut = left + 1 < ends[owners]  # a beginning that is the whole piece leaves no end
    left, owners = left[is_cut], owners[is_cut]
    cuts = places[left] + 1
    inverse_powers = _powers(pow(BASE, -1, 1 << WORD_BITS), longest)
    is_likely = all_pieces.has((sums[ends[owners] - 1] - sums[left]) * inverse_powers[cuts])
    for owner, cut in zip(owners[is_likely].tolist(), cuts[is_likely].tolist(), strict=True):
        yield pieces[owner][:cut], pieces[owner][cut:]


def _powers(base: int, count: int) -> NDArray[np.uint64]:
    """base^0 to base^count, modulo 2^64."""
    factors = np.full(count + 1, base, np.uint64)
    factors[0] = 1
    return np.cumprod(factors)
