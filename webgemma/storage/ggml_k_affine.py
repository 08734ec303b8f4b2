"""GGML's super-blocks with a scale and a minimum: Q2_K, Q4_K, Q5_K, repacked into planes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webgemma.storage.ggml_k import SUPER, affine, split_pairs_of_bits, unpack_scales
from webgemma.storage.ggml_legacy import pack_fifth_bits, unpack_five_bits
from webgemma.storage.packing import pack_two_bits, reorder_nibbles, split_runs, unpack_two_bits
from webgemma.storage.types import (
    QUAD_NBYTES,
    Plane,
    Planes,
    StorageType,
    block_bytes,
    check_in_features,
    split_blocks,
    unpack_nibbles,
)


def _reorder_halves(nibbles: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """GGML's nibbles [n, b, 128] in ascending k, [n, b * 128].

    Of every 32 bytes the low nibbles are 32 weights, the high ones the next 32.
    """
    return reorder_nibbles(nibbles.reshape(len(nibbles), -1, 32))


def _widen_scales(packed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """6-bit scales and minimums [n, b, 12] -> bytes [n, b * 16]: pairs (scale, minimum)."""
    return np.stack(unpack_scales(packed), axis=-1).reshape(len(packed), -1)


@dataclass(frozen=True, slots=True)
class Q2_K:  # noqa: N801 - the name llama.cpp gives this type
    """w = d * scale * q - dmin * minimum: 2-bit codes, 4-bit scales per 16 weights (84 bytes)."""

    name: str = "q2_k"
    bits_per_weight: float = 2.625

    def planes(self, in_features: int) -> tuple[Plane, ...]:
        """q_weight; q_scale uint8 [N, K/16]: scale low, minimum high nibble; q_super (d, dmin)."""
        check_in_features("storage q2_k", in_features, SUPER)
        return (
            Plane("q_weight", "uint32", in_features // 16, unit_nbytes=QUAD_NBYTES),
            Plane("q_scale", "uint8", in_features // 16),
            Plane("q_super", "float16", in_features // SUPER * 2),
        )

    def encode(self, rows: NDArray[np.uint8], in_features: int) -> Planes:
        """Blocks of 16 bytes of scales and minimums, 64 bytes of codes, d f16, dmin f16."""
        n = len(rows)
        blocks = split_blocks(rows, 84)
        return (
            pack_two_bits(split_pairs_of_bits(block_bytes(blocks, 16, 80))),
            blocks[..., 0:16].reshape(n, -1),
            blocks[..., 80:84].reshape(n, -1),
        )

    def decode(self, planes: Sequence[NDArray[np.uint8]], in_features: int) -> NDArray[np.float32]:
        """(d * scale) * q - (dmin * minimum)."""
        scales, minimums = planes[1] & np.uint8(0xF), planes[1] >> np.uint8(4)
        return affine(unpack_two_bits(planes[0]), scales, minimums, planes[2])


@dataclass(frozen=True, slots=True)
class Q4_K:  # noqa: N801
    """w = d * scale * q - dmin * minimum, per 32 of 256 weights (144 bytes).

    The twelve bytes of 6-bit scales are widened to a byte each, four more per super-block (2.8 %),
    so that a kernel finds the pair of a sub-block with one aligned load.
    """

    name: str = "q4_k"
    bits_per_weight: float = 4.625

    def planes(self, in_features: int) -> tuple[Plane, ...]:
        """q_weight uint32 [N, K/8]; q_scale uint8 [N, K/16]: pairs (scale, minimum); q_super."""
        check_in_features("storage q4_k", in_features, SUPER)
        return (
            Plane("q_weight", "uint32", in_features // 8),
            Plane("q_scale", "uint8", in_features // 16),
            Plane("q_super", "float16", in_features // SUPER * 2),  # pairs (d, dmin)
        )

    def encode(self, rows: NDArray[np.uint8], in_features: int) -> Planes:
        """Blocks d f16, dmin f16, 12 bytes of scales, 128 bytes of nibbles -> planes."""
        blocks = split_blocks(rows, 144)
        return (
            _reorder_halves(block_bytes(blocks, 16, 144)),
            _widen_scales(blocks[..., 4:16]),
            blocks[..., 0:4].reshape(len(rows), -1),
        )

    def decode(self, planes: Sequence[NDArray[np.uint8]], in_features: int) -> NDArray[np.float32]:
        """(d * scale) * q - (dmin * minimum)."""
        codes = unpack_nibbles(planes[0])
        return affine(codes, planes[1][:, 0::2], planes[1][:, 1::2], planes[2])


@dataclass(frozen=True, slots=True)
class Q5_K:  # noqa: N801
    """As Q4_K with 5-bit codes (176 bytes); the scales are widened likewise (2.3 %)."""

    name: str = "q5_k"
    bits_per_weight: float = 5.625

    def planes(self, in_features: int) -> tuple[Plane, ...]:
        """Q4_K's planes with q_high, the fifth bits as in Q5_0, after q_weight."""
        check_in_features("storage q5_k", in_features, SUPER)
        return (
            Plane("q_weight", "uint32", in_features // 8),
            Plane("q_high", "uint32", in_features // 32),
            Plane("q_scale", "uint8", in_features // 16),
            Plane("q_super", "float16", in_features // SUPER * 2),
        )

    def encode(self, rows: NDArray[np.uint8], in_features: int) -> Planes:
        """Blocks d f16, dmin f16, 12 bytes of scales, 32 of fifth bits, 128 of nibbles.

        Bit j of byte b of the fifth bits belongs to weight 32 j + b.
        """
        n = len(rows)
        blocks = split_blocks(rows, 176)
        return (
            _reorder_halves(block_bytes(blocks, 48, 176)),
            pack_fifth_bits(split_runs(block_bytes(blocks, 16, 48), 1)),
            _widen_scales(blocks[..., 4:16]),
            blocks[..., 0:4].reshape(n, -1),
        )

    def decode(self, planes: Sequence[NDArray[np.uint8]], in_features: int) -> NDArray[np.float32]:
        """(d * scale) * q - (dmin * minimum)."""
        codes = unpack_five_bits(planes[0], planes[1])
        return affine(codes, planes[2][:, 0::2], planes[2][:, 1::2], planes[3])


KEPT_K_AFFINE: dict[str, StorageType] = {"Q2_K": Q2_K(), "Q4_K": Q4_K(), "Q5_K": Q5_K()}
"""GGML's name -> the type that keeps it."""
