"""GGML's super-blocks of 256: Q4_K and Q6_K, repacked into aligned planes.

Source of every block layout: ggml/src/ggml-common.h (block_q4_K, block_q6_K), as decoded by
gguf-py's quants.py; tests compare with values decoded by llama.cpp's C code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webgemma.storage.types import (
    Plane,
    Planes,
    check_in_features,
    pack_nibbles,
    split_blocks,
    unpack_nibbles,
    view,
)

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
        n = len(rows)
        blocks = split_blocks(rows, 144)
        scales = np.stack(unpack_scales(blocks[..., 4:16]), axis=-1)  # [n, b, 8, 2]
        nibbles = blocks[..., 16:].reshape(n, -1, 4, 32)  # low nibbles: 32 weights, high: next 32
        codes = np.stack([nibbles & 0xF, nibbles >> 4], axis=3)  # [n, b, 4, 2, 32]
        return (
            pack_nibbles(codes.reshape(n, -1)),
            scales.reshape(n, -1),
            blocks[..., 0:4].reshape(n, -1),
        )

    def decode(self, planes: Sequence[NDArray[np.uint8]], in_features: int) -> NDArray[np.float32]:
        """(d * scale) * q - (dmin * minimum)."""
        codes = unpack_nibbles(planes[0]).astype(np.float32)
        pairs = planes[1].astype(np.float32)
        supers = np.repeat(view(planes[2], "float16").astype(np.float32), 8, axis=1)
        supers = supers.reshape(len(codes), -1, 2, 8)  # [n, b, (d, dmin), 8 copies]
        d = supers[:, :, 0].reshape(len(codes), -1) * pairs[:, 0::2]
        m = supers[:, :, 1].reshape(len(codes), -1) * pairs[:, 1::2]
        return np.repeat(d, 32, axis=1) * codes - np.repeat(m, 32, axis=1)


def _pack_high(high: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pack 2-bit codes [n, K] into bytes [n, K/4] for a kernel that reads nibbles by the word.

    Byte b of a word serves 16 weights, words A and B of nibbles: bits 0-1 A[2b], 2-3 A[2b + 1],
    4-5 B[2b], 6-7 B[2b + 1], so that one shift and one mask line up with a word of nibbles.
    """
    parts = high.reshape(len(high), -1, 2, 4, 2)  # [n, words, (A, B), b, (even, odd)]
    byte = parts[:, :, 0, :, 0] | parts[:, :, 0, :, 1] << np.uint8(2)
    byte |= parts[:, :, 1, :, 0] << np.uint8(4) | parts[:, :, 1, :, 1] << np.uint8(6)
    return byte.reshape(len(high), -1)


def _unpack_high(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Undo `_pack_high`: bytes [n, K/4] -> 2-bit codes [n, K]."""
    byte = plane.reshape(len(plane), -1, 4)
    bits = np.stack([(byte >> shift) & 3 for shift in (0, 2, 4, 6)], axis=-1)  # [n, w, b, 4]
    parts = bits.reshape(*byte.shape, 2, 2)  # [n, w, b, (A, B), (even, odd)]
    return parts.transpose(0, 1, 3, 2, 4).reshape(len(plane), -1)


@dataclass(frozen=True, slots=True)
class Q6_K:  # noqa: N801
    """w = d * scale * (q - 32), a signed 8-bit scale per 16 of 256 weights (210 bytes)."""

    name: str = "q6_k"
    bits_per_weight: float = 6.5625

    def planes(self, in_features: int) -> tuple[Plane, ...]:
        """q_weight: low nibbles; q_high: 2 high bits each; q_scale int8 [N, K/16]; q_super f16."""
        check_in_features("storage q6_k", in_features, SUPER)
        return (
            Plane("q_weight", "uint32", in_features // 8),
            Plane("q_high", "uint32", in_features // 16),
            Plane("q_scale", "int8", in_features // 16),
            Plane("q_super", "float16", in_features // SUPER),
        )

    def encode(self, rows: NDArray[np.uint8], in_features: int) -> Planes:
        """Blocks ql 128 bytes, qh 64 bytes, 16 int8 scales, d f16 -> planes."""
        n = len(rows)
        blocks = split_blocks(rows, 210)
        ql = blocks[..., 0:128].reshape(n, -1, 2, 64)  # per 128 weights: low nibbles of 64, high
        low = np.concatenate([ql & 0xF, ql >> 4], axis=-1).reshape(n, -1)
        qh = blocks[..., 128:192].reshape(n, -1, 2, 32)  # per 128 weights: 2 bits of each 32
        high = np.concatenate([(qh >> shift) & 3 for shift in (0, 2, 4, 6)], axis=-1)
        packed = _pack_high(high.reshape(n, -1))
        return (
            pack_nibbles(low),
            packed,
            blocks[..., 192:208].reshape(n, -1),
            blocks[..., 208:210].reshape(n, -1),
        )

    def decode(self, planes: Sequence[NDArray[np.uint8]], in_features: int) -> NDArray[np.float32]:
        """(d * scale) * (q - 32)."""
        low = unpack_nibbles(planes[0]).astype(np.int8)
        high = _unpack_high(planes[1]).astype(np.int8) << 4
        codes = (low | high) - np.int8(32)
        d = np.repeat(view(planes[3], "float16").astype(np.float32), 16, axis=1)
        scale = d * view(planes[2], "int8").astype(np.float32)
        return np.repeat(scale, 16, axis=1) * codes.astype(np.float32)
