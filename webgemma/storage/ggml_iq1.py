"""GGML's IQ1 types: eight weights are an entry of a grid of {-1, 0, 1}, moved by 1/8 or -1/8.

Source of every block layout: ggml/src/ggml-common.h (block_iq1_s, block_iq1_m), as decoded by
gguf-py's quants.py; tests compare with values decoded by llama.cpp's C code. Both are
w = d (2 s + 1) (grid +- 1/8), 11-bit indices, 3-bit s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webgemma.storage.ggml_grid import SUPER, grid, grid_plane
from webgemma.storage.types import (
    Plane,
    Planes,
    StorageType,
    as_bytes,
    check_in_features,
    split_blocks,
    unpack_nibbles,
    view,
)

DELTA = np.float32(0.125)  # ggml-common.h: IQ1S_DELTA, IQ1M_DELTA
THREE_BITS = 3 * np.arange(8, dtype=np.uint32)  # where a word's eight 3-bit scales lie


def weights(
    index: NDArray[np.uint16], minus: NDArray[np.bool_], scale: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Scale * (grid + delta): index and minus [n, K/8], scale [n, K/8 or a divisor] -> [n, K]."""
    delta = np.where(minus, -DELTA, DELTA)[..., None]
    values = (grid("IQ1_S")[index].astype(np.float32) + delta).reshape(len(index), -1)
    return np.repeat(scale, values.shape[1] // scale.shape[1], axis=1) * values


@dataclass(frozen=True, slots=True)
class IQ1_S:  # noqa: N801 - the name llama.cpp gives this type
    """Scale and sign of the 1/8 per 32 weights (50 bytes per 256)."""

    name: str = "iq1_s"
    bits_per_weight: float = 1.5625

    def planes(self, in_features: int) -> tuple[Plane, ...]:
        """q_weight: low index byte per 8 weights; q_high: u16 per 32, as in the block; q_super.

        A u16 of q_high: four times 3 high bits of an index, 3 bits of scale, the sign of the 1/8.
        """
        check_in_features("storage iq1_s", in_features, SUPER)
        return (
            Plane("q_weight", "uint32", in_features // 32),
            Plane("q_high", "uint8", in_features // 16),
            Plane("q_super", "float16", in_features // SUPER),
            grid_plane("IQ1_S"),
        )

    def encode(self, rows: NDArray[np.uint8], in_features: int) -> Planes:
        """Blocks d f16, 32 bytes of indices, 8 u16 -> planes."""
        blocks = split_blocks(rows, 50)
        cuts = (slice(2, 34), slice(34, 50), slice(0, 2))
        return tuple(blocks[..., cut].reshape(len(rows), -1) for cut in cuts)

    def decode(self, planes: Sequence[NDArray[np.uint8]], in_features: int) -> NDArray[np.float32]:
        """(d * (2 scale + 1)) * (grid + delta)."""
        n = len(planes[0])
        words = view(planes[1], "<u2").astype(np.uint16)
        high = words[..., None] >> np.array([0, 3, 6, 9], np.uint16) & np.uint16(7)
        minus = np.repeat(words >= 0x8000, 4, axis=1)
        d = np.repeat(view(planes[2], "<f2").astype(np.float32), 8, axis=1)
        scale = d * (2 * (words >> 12 & 7) + 1).astype(np.float32)
        index = planes[0].astype(np.uint16) | high.reshape(n, -1) << np.uint16(8)
        return weights(index, minus, scale)


@dataclass(frozen=True, slots=True)
class IQ1_M:  # noqa: N801
    """Scale per 16 weights, sign of the 1/8 per 8 (56 bytes per 256)."""

    name: str = "iq1_m"
    bits_per_weight: float = 1.75

    def planes(self, in_features: int) -> tuple[Plane, ...]:
        """q_weight: low index byte per 8 weights; q_high: nibble per 8, 3 index bits and a sign.

        q_scale: two words per 256 weights, eight 3-bit scales each, 16 weights a scale; the top
        bytes of the two are the low and the high byte of d, an f16.
        """
        check_in_features("storage iq1_m", in_features, SUPER)
        return (
            Plane("q_weight", "uint32", in_features // 32),
            Plane("q_high", "uint8", in_features // 16),
            Plane("q_scale", "uint32", in_features // 128),
            grid_plane("IQ1_S"),
        )

    def encode(self, rows: NDArray[np.uint8], in_features: int) -> Planes:
        """Blocks 32 bytes of indices, 16 of nibbles, 4 u16 -> planes.

        A u16 holds four 3-bit scales and, on top, four bits of d: the lowest in the first.
        """
        n = len(rows)
        blocks = split_blocks(rows, 56)
        words = view(blocks[..., 48:56].reshape(n, -1), "<u2").astype(np.uint32)
        pairs = words.reshape(n, -1, 2)  # [n, K/128, (scales 0 to 3, scales 4 to 7)]
        scales = pairs[..., 0] & 0xFFF | (pairs[..., 1] & 0xFFF) << 12
        half_of_d = pairs[..., 0] >> 12 | pairs[..., 1] >> 12 << 4
        return (
            blocks[..., 0:32].reshape(n, -1),
            blocks[..., 32:48].reshape(n, -1),
            as_bytes((scales | half_of_d << 24).astype("<u4")),
        )

    def decode(self, planes: Sequence[NDArray[np.uint8]], in_features: int) -> NDArray[np.float32]:
        """(d * (2 scale + 1)) * (grid + delta)."""
        n = len(planes[0])
        nibbles = unpack_nibbles(planes[1]).astype(np.uint16)
        words = view(planes[2], "<u4").astype(np.uint32)
        d_bits = (words[:, 0::2] >> 24 | words[:, 1::2] >> 24 << 8).astype("<u2")
        d = np.repeat(d_bits.view("<f2").astype(np.float32), 16, axis=1)
        scale = (words[..., None] >> THREE_BITS & 7).reshape(n, -1).astype(np.float32)
        index = planes[0].astype(np.uint16) | (nibbles & np.uint16(7)) << np.uint16(8)
        return weights(index, nibbles >= 8, d * (2 * scale + 1))


KEPT_IQ1: dict[str, StorageType] = {"IQ1_S": IQ1_S(), "IQ1_M": IQ1_M()}
"""GGML name -> storage type."""
