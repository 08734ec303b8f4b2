"""What GGML's IQ types share: grids of codes, sign bits, and grids in a form kernels read.

An IQ block names 4 or 8 weights at a time by their entry in a fixed *grid*. The grid is a shared
plane of the matrix: a kernel that indexed a WGSL constant array would get a copy of it per
invocation. The grids themselves are data of gguf-py (gguf/quants.py, from ggml-common.h).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from webgemma.storage.types import Plane

SUPER = 256  # weights per super-block
SIGN_SHIFTS = np.array([0, 7, 14, 21], np.uint32)
"""Where the 7-bit signs of four times eight weights lie in a word; a 4-bit scale is on top."""
FIELDS = {8: (0, 8, 2, 10, 4, 12, 6, 14), 4: (0, 8, 4, 12)}
"""Lowest bit of code k in an entry of eight or four, so that a kernel gets them as bytes cheaply:
of y = e | e << 14, bits 0x03030303 are codes 0 to 3 and those of y >> 4 codes 4 to 7; of four,
e | e << 12 has them at 0x07070707."""


@cache
def grid(name: str) -> NDArray[np.int8]:
    """The grid [entries, 4 or 8] of an IQ type by its GGML name; IQ1_M's is IQ1_S's."""
    import gguf.quants  # 70 ms, for models that have such a type

    kind = getattr(gguf.quants, name)
    kind.init_grid()
    values: NDArray[np.int8] = kind.grid.reshape(kind.grid_shape).astype(np.int8)
    return values


@cache
def grid_plane(name: str) -> Plane:
    """The shared plane `grid`: the codes of an entry in a little-endian u16.

    Code c is the c-th of the grid's values in ascending order; FIELDS says where each code lies.
    """
    values = grid(name)
    codes = np.searchsorted(np.unique(values), values).astype(np.uint16)
    shifts = np.array(FIELDS[values.shape[1]], np.uint16)
    entries = np.bitwise_or.reduce(codes << shifts, axis=1)
    return Plane("grid", "uint32", len(entries) // 2, entries.astype("<u2").tobytes())


def unpack_bits(packed: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Bytes [...] -> bits [..., 8], the lowest first."""
    shifts = np.arange(8, dtype=np.uint8)
    return ((packed[..., None] >> shifts) & 1).astype(np.bool_)


def complete_signs(index: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Seven sign bits [...] -> eight: the number of minus signs is even (GGML's ksigns_iq2xs)."""
    seven = index & np.uint8(0x7F)
    parity = np.bitwise_xor.reduce(unpack_bits(seven), axis=-1).astype(np.uint8)
    signs: NDArray[np.uint8] = seven | parity << np.uint8(7)
    return signs


def split_signs(words: NDArray[np.uint32]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The words [n, K/32] of IQ2_XXS and IQ3_XXS -> (eight signs [n, K/8], scale [n, K/32])."""
    index = (words[..., None] >> SIGN_SHIFTS & 0x7F).astype(np.uint8)
    return complete_signs(index).reshape(len(words), -1), (words >> 28).astype(np.uint8)


def signed(magnitudes: NDArray[np.int8], signs: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Values of a grid with their signs.

    Args:
        magnitudes: [n, groups, 8], or [n, 2 groups, 4].
        signs: bytes [n, groups]; a set bit negates, the lowest bit is of the lowest k.

    Returns:
        float32 [n, 8 * groups].
    """
    minus = unpack_bits(signs).reshape(len(signs), -1)
    values = magnitudes.reshape(len(signs), -1).astype(np.float32)
    return np.where(minus, -values, values)
