"""What GGML's super-blocks of 256 share: 6-bit scales, scales per super-block, their sum of terms.

Source of every block layout: ggml/src/ggml-common.h (block_q2_K and so on), as decoded by
gguf-py's quants.py; tests compare with values decoded by llama.cpp's C code.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from webgemma.storage.packing import split_runs
from webgemma.storage.types import view

SUPER = 256  # weights per super-block


def unpack_scales(packed: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The 6-bit scales and minimums of Q4_K and Q5_K.

    Args:
        packed: [..., 12] bytes; scale and minimum j < 4 are the low 6 bits of bytes j and j + 4;
            for j >= 4 the low 4 bits lie in byte j + 4, the high 2 in bytes j - 4 and j.

    Returns:
        (scales [..., 8], minimums [..., 8]), each 0..63.
    """
    low, mid, high = packed[..., 0:4], packed[..., 4:8], packed[..., 8:12]
    scales = np.concatenate([low & 0x3F, (high & 0x0F) | ((low >> 2) & 0x30)], axis=-1)
    minimums = np.concatenate([mid & 0x3F, (high >> 4) | ((mid >> 2) & 0x30)], axis=-1)
    return scales, minimums


def split_pairs_of_bits(packed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """GGML's 2-bit codes [n, b, 64] -> codes [n, b * 256].

    Of every 32 bytes the lowest pairs of bits are the first 32 weights, the next pairs the next.
    """
    return split_runs(packed.reshape(len(packed), -1, 32), 2)


def scaled(supers: NDArray[np.generic], scales: NDArray[np.generic]) -> NDArray[np.float32]:
    """Multiply halves d [n, b], one per super-block, by scales [n, b * c] -> [n, b * c]."""
    copies = scales.shape[1] // supers.shape[1]
    d = np.repeat(supers.astype(np.float32), copies, axis=1)
    return d * scales.astype(np.float32)


def affine(
    codes: NDArray[np.uint8],
    scales: NDArray[np.uint8],
    minimums: NDArray[np.uint8],
    supers: NDArray[np.uint8],
) -> NDArray[np.float32]:
    """(d * scale) * q - (dmin * minimum), in llama.cpp's order of rounding.

    Args:
        codes: [n, K].
        scales: [n, sub-blocks of a row]; K divides by their number.
        minimums: as scales.
        supers: bytes [n, K/64]: a pair (d, dmin) of float16 per super-block.

    Returns:
        float32 [n, K].
    """
    pairs = view(supers, "float16")
    size = codes.shape[1] // scales.shape[1]
    d = np.repeat(scaled(pairs[:, 0::2], scales), size, axis=1)
    m = np.repeat(scaled(pairs[:, 1::2], minimums), size, axis=1)
    return d * codes.astype(np.float32) - m
