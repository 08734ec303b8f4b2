"""GGML's super-blocks with a signed scale: Q3_K and Q6_K, repacked into planes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webgemma.storage.ggml_k import SUPER, scaled, split_pairs_of_bits
from webgemma.storage.packing import (
    gather_fours,
    pack_fours,
    pack_six_bits,
    pack_two_bits,
    split_runs,
    unpack_bits,
    unpack_six_bits,
    unpack_two_bits,
)
from webgemma.storage.types import (
    QUAD_NBYTES,
    Plane,
    Planes,
    StorageType,
    block_bytes,
    check_in_features,
    split_blocks,
    view,
)

WAYS = 2  # fours of high bits that share 8 places above two bits
SUB = 16  # weights per scale


def _signed(
    codes: NDArray[np.int8], scales: NDArray[np.uint8], supers: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """(d * scale) * code: codes int8 [n, K], bytes of int8 [n, K/16] and float16 [n, K/256]."""
    d = scaled(view(supers, "float16"), view(scales, "int8"))
    return np.repeat(d, SUB, axis=1) * codes.astype(np.float32)


def _unpack_scales3(packed: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Q3_K's sixteen 6-bit scales [n, b, 12] -> int8 [n, b * 16], less their offset of 32.

    Scales 0..7 have their low 4 bits in the low nibbles of bytes 0..7, scales 8..15 in the high
    ones; the high 2 bits of scale j are pair j // 4 of byte 8 + j % 4.
    """
    low = np.concatenate([packed[..., :8] & 0xF, packed[..., :8] >> 4], axis=-1)
    high = np.concatenate([(packed[..., 8:] >> shift) & 3 for shift in (0, 2, 4, 6)], axis=-1)
    scales: NDArray[np.int8] = (low | high << np.uint8(4)).astype(np.int8) - np.int8(32)
    return scales.reshape(len(packed), -1)


@dataclass(frozen=True, slots=True)
class Q3_K:  # noqa: N801 - the name llama.cpp gives this type
    """w = d * scale * (q - 4): 3-bit codes, a 6-bit scale per 16 of 256 weights (110 bytes).

    The scales are widened to signed bytes, four more per super-block (3.6 %), so that a kernel
    finds the two of 32 weights with one aligned load.
    """

    name: str = "q3_k"
    bits_per_weight: float = 3.5625

    def planes(self, in_features: int) -> tuple[Plane, ...]:
        """q_weight: low 2 bits; q_high: the third bits; q_scale int8 [N, K/16]; q_super f16."""
        check_in_features("storage q3_k", in_features, SUPER)
        return (
            Plane("q_weight", "uint32", in_features // 16, unit_nbytes=QUAD_NBYTES),
            Plane("q_high", "uint32", in_features // 32),
            Plane("q_scale", "int8", in_features // SUB),
            Plane("q_super", "float16", in_features // SUPER),
        )

    def encode(self, rows: NDArray[np.uint8], in_features: int) -> Planes:
        """Blocks of 32 bytes of third bits, 64 bytes of codes, 12 bytes of scales, d f16.

        Bit j of byte b of the third bits belongs to weight 32 j + b.
        """
        n = len(rows)
        blocks = split_blocks(rows, 110)
        third = split_runs(block_bytes(blocks, 0, 32), 1)
        return (
            pack_two_bits(split_pairs_of_bits(block_bytes(blocks, 32, 96))),
            pack_fours(third, WAYS),
            _unpack_scales3(blocks[..., 96:108]).view(np.uint8),
            blocks[..., 108:110].reshape(n, -1),
        )

    def decode(self, planes: Sequence[NDArray[np.uint8]], in_features: int) -> NDArray[np.float32]:
        """(d * scale) * (q - 4)."""
        third = gather_fours(unpack_bits(planes[1]), WAYS)
        codes = unpack_two_bits(planes[0]) | third << np.uint8(2)
        return _signed(codes.astype(np.int8) - np.int8(4), planes[2], planes[3])


@dataclass(frozen=True, slots=True)
class Q6_K:  # noqa: N801
    """w = d * scale * (q - 32), a signed 8-bit scale per 16 of 256 weights (210 bytes)."""

    name: str = "q6_k"
    bits_per_weight: float = 6.5625

    def planes(self, in_features: int) -> tuple[Plane, ...]:
        """q_weight: four bits each; q_high: two bits each; q_scale int8 [N, K/16]; q_super f16."""
        check_in_features("storage q6_k", in_features, SUPER)
        return (
            Plane("q_weight", "uint32", in_features // 8),
            Plane("q_high", "uint32", in_features // 16),
            Plane("q_scale", "int8", in_features // SUB),
            Plane("q_super", "float16", in_features // SUPER),
        )

    def encode(self, rows: NDArray[np.uint8], in_features: int) -> Planes:
        """Blocks ql 128 bytes, qh 64 bytes, 16 int8 scales, d f16 -> planes."""
        n = len(rows)
        blocks = split_blocks(rows, 210)
        codes = split_pairs_of_bits(block_bytes(blocks, 128, 192))
        codes.view("<u8")[...] <<= np.uint64(4)  # as bytes it takes ten times as long (numpy 2.4)
        codes |= split_runs(block_bytes(blocks, 0, 128).reshape(n, -1, 64), 4)
        return (
            *pack_six_bits(codes),
            blocks[..., 192:208].reshape(n, -1),
            blocks[..., 208:210].reshape(n, -1),
        )

    def decode(self, planes: Sequence[NDArray[np.uint8]], in_features: int) -> NDArray[np.float32]:
        """(d * scale) * (q - 32)."""
        codes = unpack_six_bits(planes[0], planes[1])
        return _signed(codes.astype(np.int8) - np.int8(32), planes[2], planes[3])


KEPT_K_SIGNED: dict[str, StorageType] = {"Q3_K": Q3_K(), "Q6_K": Q6_K()}
"""GGML's name -> the type that keeps it."""
