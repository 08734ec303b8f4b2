"""GGML's 4-bit types whose codes name values of a table: IQ4_NL, IQ4_XS, MXFP4.

Source of block layouts and tables: ggml/src/ggml-common.h (block_iq4_nl, block_iq4_xs,
block_mxfp4, kvalues_iq4nl, kvalues_mxfp4), as decoded by gguf-py's quants.py; tests compare with
values decoded by llama.cpp's C code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webgemma.storage.ggml_k import SUPER, scaled
from webgemma.storage.ggml_legacy import BLOCK, per_block
from webgemma.storage.packing import reorder_nibbles
from webgemma.storage.types import (
    QUAD_NBYTES,
    Plane,
    Planes,
    StorageType,
    block_bytes,
    check_in_features,
    split_blocks,
    unpack_nibbles,
    view,
)

IQ4_VALUES = np.array(
    [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], np.float32
)
MXFP4_VALUES = np.array([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12], np.float32)
"""Twice the values of the 4-bit float e2m1, so that they are integers."""
HALF_BIAS = 128  # e8m0's bias of 127 and the factor 1/2 that undoes the doubling


@dataclass(frozen=True, slots=True)
class IQ4_NL:  # noqa: N801 - the name llama.cpp gives this type
    """w = d * value[q]: 4-bit codes into IQ4_VALUES, one f16 scale per 32 weights (18 bytes)."""

    name: str = "iq4_nl"
    bits_per_weight: float = 4.5

    def planes(self, in_features: int) -> tuple[Plane, ...]:
        """q_weight uint32 [N, K/8], q_scale float16 [N, K/32]."""
        check_in_features("storage iq4_nl", in_features, BLOCK)
        return (
            Plane("q_weight", "uint32", in_features // 8, unit_nbytes=QUAD_NBYTES),
            Plane("q_scale", "float16", in_features // BLOCK),
        )

    def encode(self, rows: NDArray[np.uint8], in_features: int) -> Planes:
        """Blocks d f16, 16 bytes of nibbles -> planes."""
        blocks = split_blocks(rows, 18)
        scale = block_bytes(blocks, 0, 2).reshape(len(rows), -1)
        return (reorder_nibbles(block_bytes(blocks, 2, 18)), scale)

    def decode(self, planes: Sequence[NDArray[np.uint8]], in_features: int) -> NDArray[np.float32]:
        """D * value[q]."""
        return per_block(view(planes[1], "float16")) * IQ4_VALUES[unpack_nibbles(planes[0])]


@dataclass(frozen=True, slots=True)
class IQ4_XS:  # noqa: N801
    """w = d * scale * value[q]: codes as IQ4_NL, a 6-bit scale per 32 of 256 (136 bytes).

    The scales are widened to signed bytes, two more per super-block (1.5 %).
    """

    name: str = "iq4_xs"
    bits_per_weight: float = 4.3125

    def planes(self, in_features: int) -> tuple[Plane, ...]:
        """q_weight uint32 [N, K/8], q_scale int8 [N, K/32], q_super float16 [N, K/256]."""
        check_in_features("storage iq4_xs", in_features, SUPER)
        return (
            Plane("q_weight", "uint32", in_features // 8, unit_nbytes=QUAD_NBYTES),
            Plane("q_scale", "int8", in_features // BLOCK),
            Plane("q_super", "float16", in_features // SUPER),
        )

    def encode(self, rows: NDArray[np.uint8], in_features: int) -> Planes:
        """Blocks d f16, high 2 bits of 8 scales u16, low 4 bits in 4 bytes, 128 of nibbles."""
        n = len(rows)
        blocks = split_blocks(rows, 136)
        low = unpack_nibbles(blocks[..., 4:8].reshape(n, -1))
        shifts = np.arange(0, 16, 2, dtype=np.uint16)
        high = np.ascontiguousarray(blocks[..., 2:4]).view("<u2") >> shifts & np.uint16(3)
        scales = (low | high.astype(np.uint8).reshape(n, -1) << np.uint8(4)).astype(np.int8)
        return (
            reorder_nibbles(block_bytes(blocks, 8, 136).reshape(n, -1, 16)),
            (scales - np.int8(32)).view(np.uint8),
            blocks[..., 0:2].reshape(n, -1),
        )

    def decode(self, planes: Sequence[NDArray[np.uint8]], in_features: int) -> NDArray[np.float32]:
        """(d * scale) * value[q]."""
        d = per_block(scaled(view(planes[2], "float16"), view(planes[1], "int8")))
        return d * IQ4_VALUES[unpack_nibbles(planes[0])]


@dataclass(frozen=True, slots=True)
class MXFP4:
    """w = 2^(e - 128) * value[q]: 4-bit floats, an exponent byte per 32 weights (17 bytes)."""

    name: str = "mxfp4"
    bits_per_weight: float = 4.25

    def planes(self, in_features: int) -> tuple[Plane, ...]:
        """q_weight uint32 [N, K/8], q_scale uint8 [N, K/32]: exponents e8m0."""
        check_in_features("storage mxfp4", in_features, BLOCK)
        return (
            Plane("q_weight", "uint32", in_features // 8, unit_nbytes=QUAD_NBYTES),
            Plane("q_scale", "uint8", in_features // BLOCK),
        )

    def encode(self, rows: NDArray[np.uint8], in_features: int) -> Planes:
        """Blocks e, 16 bytes of nibbles -> planes."""
        blocks = split_blocks(rows, 17)
        scale = blocks[..., 0].reshape(len(rows), -1)
        return (reorder_nibbles(block_bytes(blocks, 1, 17)), scale)

    def decode(self, planes: Sequence[NDArray[np.uint8]], in_features: int) -> NDArray[np.float32]:
        """2^(e - 128) * value[q]; beyond float32's range infinite, as in llama.cpp."""
        exponents = planes[1].astype(np.int32) - HALF_BIAS
        values = MXFP4_VALUES[unpack_nibbles(planes[0])]
        with np.errstate(over="ignore"):
            return per_block(np.ldexp(np.float32(1), exponents)) * values


KEPT_NONLINEAR: dict[str, StorageType] = {"IQ4_NL": IQ4_NL(), "IQ4_XS": IQ4_XS(), "MXFP4": MXFP4()}
"""GGML's name -> the type that keeps it."""
