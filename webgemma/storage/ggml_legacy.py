"""GGML's blocks of 32: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, repacked into aligned planes.

Source of every block layout: ggml/src/ggml-common.h (block_q4_0 and so on), as decoded by
gguf-py's quants.py; tests compare with values decoded by llama.cpp's C code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webgemma.storage.packing import gather_fours, pack_fours, reorder_nibbles, unpack_bits
from webgemma.storage.types import (
    Plane,
    Planes,
    StorageType,
    block_bytes,
    check_in_features,
    split_blocks,
    unpack_nibbles,
    view,
)

BLOCK = 32  # weights per block
HIGH_WAYS = 4  # fours of fifth bits that share 16 places: four above four nibbles after one shift


def per_block(values: NDArray[np.generic]) -> NDArray[np.float32]:
    """One float per block [n, b] -> one per weight [n, b * 32]."""
    return np.repeat(values.astype(np.float32), BLOCK, axis=1)


@dataclass(frozen=True, slots=True)
class Q4_0:  # noqa: N801 - the name llama.cpp gives this type
    """w = d * (q - 8): 4-bit codes, one f16 scale per 32 weights (18 bytes)."""

    name: str = "q4_0"
    bits_per_weight: float = 4.5

    def planes(self, in_features: int) -> tuple[Plane, ...]:
        """q_weight uint32 [N, K/8], q_scale float16 [N, K/32]."""
        check_in_features("storage q4_0", in_features, BLOCK)
        return (
            Plane("q_weight", "uint32", in_features // 8),
            Plane("q_scale", "float16", in_features // BLOCK),
        )

    def encode(self, rows: NDArray[np.uint8], in_features: int) -> Planes:
        """Blocks d f16, 16 bytes of nibbles -> planes."""
        blocks = split_blocks(rows, 18)
        scale = block_bytes(blocks, 0, 2).reshape(len(rows), -1)
        return (reorder_nibbles(block_bytes(blocks, 2, 18)), scale)

    def decode(self, planes: Sequence[NDArray[np.uint8]], in_features: int) -> NDArray[np.float32]:
        """D * (q - 8)."""
        codes = unpack_nibbles(planes[0]).astype(np.float32)
        return per_block(view(planes[1], "float16")) * (codes - np.float32(8))


@dataclass(frozen=True, slots=True)
class Q4_1:  # noqa: N801
    """w = d * q + m: 4-bit codes, f16 scale and minimum per 32 weights (20 bytes)."""

    name: str = "q4_1"
    bits_per_weight: float = 5.0

    def planes(self, in_features: int) -> tuple[Plane, ...]:
        """q_weight uint32 [N, K/8], q_scale float16 [N, K/16]: pairs (d, m)."""
        check_in_features("storage q4_1", in_features, BLOCK)
        return (
            Plane("q_weight", "uint32", in_features // 8),
            Plane("q_scale", "float16", in_features // BLOCK * 2),
        )

    def encode(self, rows: NDArray[np.uint8], in_features: int) -> Planes:
        """Blocks d f16, m f16, 16 bytes of nibbles -> planes."""
        blocks = split_blocks(rows, 20)
        scale = block_bytes(blocks, 0, 4).reshape(len(rows), -1)
        return (reorder_nibbles(block_bytes(blocks, 4, 20)), scale)

    def decode(self, planes: Sequence[NDArray[np.uint8]], in_features: int) -> NDArray[np.float32]:
        """D * q + m."""
        codes = unpack_nibbles(planes[0]).astype(np.float32)
        pairs = view(planes[1], "float16")
        return per_block(pairs[:, 0::2]) * codes + per_block(pairs[:, 1::2])


def pack_fifth_bits(bits: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The fifth bits of codes, a byte each [n, K] -> bytes [n, K/8], a word for every 32 codes."""
    return pack_fours(bits, HIGH_WAYS)


def unpack_five_bits(low: NDArray[np.uint8], high: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Nibbles [n, K/2] and `pack_fifth_bits`'s bytes [n, K/8] -> codes [n, K]."""
    fifth = gather_fours(unpack_bits(high), HIGH_WAYS)
    return unpack_nibbles(low) | (fifth << np.uint8(4))


def _encode_five_bits(high: NDArray[np.uint8], packed: NDArray[np.uint8]) -> Planes:
    """GGML's fifth bits [n, b, 4], ascending, and nibbles [n, b, 16] -> q_weight and q_high."""
    bits = unpack_bits(high.reshape(len(high), -1))
    return reorder_nibbles(packed), pack_fifth_bits(bits)


@dataclass(frozen=True, slots=True)
class Q5_0:  # noqa: N801
    """w = d * (q - 16): 5-bit codes, one f16 scale per 32 weights (22 bytes)."""

    name: str = "q5_0"
    bits_per_weight: float = 5.5

    def planes(self, in_features: int) -> tuple[Plane, ...]:
        """q_weight: low nibbles; q_high: the fifth bits; q_scale float16 [N, K/32]."""
        check_in_features("storage q5_0", in_features, BLOCK)
        return (
            Plane("q_weight", "uint32", in_features // 8),
            Plane("q_high", "uint32", in_features // 32),
            Plane("q_scale", "float16", in_features // BLOCK),
        )

    def encode(self, rows: NDArray[np.uint8], in_features: int) -> Planes:
        """Blocks d f16, 4 bytes of fifth bits, 16 bytes of nibbles -> planes."""
        blocks = split_blocks(rows, 22)
        codes = _encode_five_bits(block_bytes(blocks, 2, 6), block_bytes(blocks, 6, 22))
        return (*codes, block_bytes(blocks, 0, 2).reshape(len(rows), -1))

    def decode(self, planes: Sequence[NDArray[np.uint8]], in_features: int) -> NDArray[np.float32]:
        """D * (q - 16)."""
        codes = unpack_five_bits(planes[0], planes[1]).astype(np.float32)
        return per_block(view(planes[2], "float16")) * (codes - np.float32(16))


@dataclass(frozen=True, slots=True)
class Q5_1:  # noqa: N801
    """w = d * q + m: 5-bit codes, f16 scale and minimum per 32 weights (24 bytes)."""

    name: str = "q5_1"
    bits_per_weight: float = 6.0

    def planes(self, in_features: int) -> tuple[Plane, ...]:
        """q_weight: low nibbles; q_high: the fifth bits; q_scale float16 [N, K/16]: (d, m)."""
        check_in_features("storage q5_1", in_features, BLOCK)
        return (
            Plane("q_weight", "uint32", in_features // 8),
            Plane("q_high", "uint32", in_features // 32),
            Plane("q_scale", "float16", in_features // BLOCK * 2),
        )

    def encode(self, rows: NDArray[np.uint8], in_features: int) -> Planes:
        """Blocks d f16, m f16, 4 bytes of fifth bits, 16 bytes of nibbles -> planes."""
        blocks = split_blocks(rows, 24)
        codes = _encode_five_bits(block_bytes(blocks, 4, 8), block_bytes(blocks, 8, 24))
        return (*codes, block_bytes(blocks, 0, 4).reshape(len(rows), -1))

    def decode(self, planes: Sequence[NDArray[np.uint8]], in_features: int) -> NDArray[np.float32]:
        """D * q + m."""
        codes = unpack_five_bits(planes[0], planes[1]).astype(np.float32)
        pairs = view(planes[2], "float16")
        return per_block(pairs[:, 0::2]) * codes + per_block(pairs[:, 1::2])


@dataclass(frozen=True, slots=True)
class Q8_0:  # noqa: N801
    """w = d * q: signed bytes, one f16 scale per 32 weights (34 bytes)."""

    name: str = "q8_0"
    bits_per_weight: float = 8.5

    def planes(self, in_features: int) -> tuple[Plane, ...]:
        """q_weight uint32 [N, K/4] (four int8 each), q_scale float16 [N, K/32]."""
        check_in_features("storage q8_0", in_features, BLOCK)
        return (
            Plane("q_weight", "uint32", in_features // 4),
            Plane("q_scale", "float16", in_features // BLOCK),
        )

    def encode(self, rows: NDArray[np.uint8], in_features: int) -> Planes:
        """Blocks d f16, 32 int8 -> planes."""
        blocks = split_blocks(rows, 34)
        return (blocks[..., 2:].reshape(len(rows), -1), blocks[..., 0:2].reshape(len(rows), -1))

    def decode(self, planes: Sequence[NDArray[np.uint8]], in_features: int) -> NDArray[np.float32]:
        """D * q."""
        codes = view(planes[0], "int8").astype(np.float32)
        return per_block(view(planes[1], "float16")) * codes


KEPT_LEGACY: dict[str, StorageType] = {
    "Q4_0": Q4_0(),
    "Q4_1": Q4_1(),
    "Q5_0": Q5_0(),
    "Q5_1": Q5_1(),
    "Q8_0": Q8_0(),
}
"""GGML's name -> the type that keeps it."""
