"""Codes of one and two bits, in the orders that kernels read.

A kernel masks codes where they stand in a word and weighs each place once, after summing (see
shaders/storage/common.wgsl.jinja). What is packed here is therefore in ascending k, or in *fours*:
four neighbouring codes spread out so that one shift brings them above four codes of another plane.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SHIFTS = np.array([0, 2, 4, 6], np.uint8)


def pack_two_bits(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pack 2-bit codes [n, K] into bytes [n, K/4], the lowest k in the lowest bits."""
    parts = codes.reshape(len(codes), -1, 4) << _SHIFTS
    packed: NDArray[np.uint8] = np.bitwise_or.reduce(parts, axis=-1)
    return packed


def unpack_two_bits(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Undo `pack_two_bits`: bytes [n, K/4] -> codes [n, K]."""
    return ((plane[..., None] >> _SHIFTS) & np.uint8(3)).reshape(len(plane), -1)


def pack_bits(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pack 1-bit codes [n, K] into bytes [n, K/8], the lowest k in the lowest bit."""
    return np.packbits(codes, axis=1, bitorder="little")


def unpack_bits(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Undo `pack_bits`: bytes [n, K/8] -> codes [n, K]."""
    return np.unpackbits(plane, axis=1, bitorder="little")


def spread_fours(codes: NDArray[np.uint8], ways: int) -> NDArray[np.uint8]:
    """Interleave `ways` fours: code j of four r goes to place j * ways + r of their 4 * ways.

    Args:
        codes: [n, K].
        ways: fours that share a run of places; K is a multiple of 4 * ways.

    Returns:
        [n, K], permuted within every run of 4 * ways.
    """
    runs = codes.reshape(len(codes), -1, ways, 4)
    return np.ascontiguousarray(runs.swapaxes(2, 3)).reshape(codes.shape)


def gather_fours(codes: NDArray[np.uint8], ways: int) -> NDArray[np.uint8]:
    """Undo `spread_fours`."""
    runs = codes.reshape(len(codes), -1, 4, ways)
    return np.ascontiguousarray(runs.swapaxes(2, 3)).reshape(codes.shape)
