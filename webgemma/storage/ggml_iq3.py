"""GGML's IQ3 types: four weights are an entry of a grid of eight values, signs and a scale.

Source of every block layout: ggml/src/ggml-common.h (block_iq3_xxs, block_iq3_s), as decoded by
gguf-py's quants.py; tests compare with values decoded by llama.cpp's C code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webgemma.storage.ggml_grid import (
    SUPER,
    grid,
    grid_plane,
    signed,
    split_signs,
    unpack_bits,
)
from webgemma.storage.types import (
    QUAD_NBYTES,
    Plane,
    Planes,
    StorageType,
    check_in_features,
    split_blocks,
    unpack_nibbles,
    view,
)


@dataclass(frozen=True, slots=True)
class IQ3_XXS:  # noqa: N801 - the name llama.cpp gives this type
    """w = d (0.5 + s) / 2 * (+-grid): 8-bit indices, signs and scale per 32 (98 bytes per 256)."""

    name: str = "iq3_xxs"
    bits_per_weight: float = 3.0625

    def planes(self, in_features: int) -> tuple[Plane, ...]:
        """q_weight: index byte per 4 weights; q_sign: word per 32, 4 x 7 signs and a scale."""
        check_in_features("storage iq3_xxs", in_features, SUPER)
        return (
            Plane("q_weight", "uint32", in_features // 16, unit_nbytes=QUAD_NBYTES),
            Plane("q_sign", "uint32", in_features // 32),
            Plane("q_super", "float16", in_features // SUPER),
            grid_plane("IQ3_XXS"),
        )

    def encode(self, rows: NDArray[np.uint8], in_features: int) -> Planes:
        """Blocks d f16, 64 bytes of indices, 8 words of signs and scale -> planes."""
        blocks = split_blocks(rows, 98)
        cuts = (slice(2, 66), slice(66, 98), slice(0, 2))
        return tuple(blocks[..., cut].reshape(len(rows), -1) for cut in cuts)

    def decode(self, planes: Sequence[NDArray[np.uint8]], in_features: int) -> NDArray[np.float32]:
        """(d * (0.5 + scale) * 0.5) * (+-grid)."""
        signs, scale = split_signs(view(planes[1], "<u4").astype(np.uint32))
        d = np.repeat(view(planes[2], "<f2").astype(np.float32), 8, axis=1)
        db = d * (np.float32(0.5) + scale.astype(np.float32)) * np.float32(0.5)
        return np.repeat(db, 32, axis=1) * signed(grid("IQ3_XXS")[planes[0]], signs)


@dataclass(frozen=True, slots=True)
class IQ3_S:  # noqa: N801
    """w = d (1 + 2 s) * (+-grid): 9-bit indices, 8 signs per 8, s per 32 (110 bytes per 256)."""

    name: str = "iq3_s"
    bits_per_weight: float = 3.4375

    def planes(self, in_features: int) -> tuple[Plane, ...]:
        """q_weight: low index byte per 4 weights; q_sign: word per 32.

        q_high: byte per 32 weights, the indices' ninth bits; q_scale: nibble per 32, the first low.
        """
        check_in_features("storage iq3_s", in_features, SUPER)
        return (
            Plane("q_weight", "uint32", in_features // 16, unit_nbytes=QUAD_NBYTES),
            Plane("q_sign", "uint32", in_features // 32),
            Plane("q_high", "uint8", in_features // 32),
            Plane("q_scale", "uint8", in_features // 64),
            Plane("q_super", "float16", in_features // SUPER),
            grid_plane("IQ3_S"),
        )

    def encode(self, rows: NDArray[np.uint8], in_features: int) -> Planes:
        """Blocks d f16, 64 bytes of indices, 8 of high bits, 32 of signs, 4 of scales -> planes."""
        blocks = split_blocks(rows, 110)
        cuts = (slice(2, 66), slice(74, 106), slice(66, 74), slice(106, 110), slice(0, 2))
        return tuple(blocks[..., cut].reshape(len(rows), -1) for cut in cuts)

    def decode(self, planes: Sequence[NDArray[np.uint8]], in_features: int) -> NDArray[np.float32]:
        """(d * (1 + 2 scale)) * (+-grid)."""
        n = len(planes[0])
        high = unpack_bits(planes[2]).reshape(n, -1).astype(np.uint16)
        index = planes[0].astype(np.uint16) | high << 8
        scale = unpack_nibbles(planes[3]).astype(np.float32)
        d = np.repeat(view(planes[4], "<f2").astype(np.float32), 8, axis=1)
        db = d * (np.float32(1) + np.float32(2) * scale)
        return np.repeat(db, 32, axis=1) * signed(grid("IQ3_S")[index], planes[1])


KEPT_IQ3: dict[str, StorageType] = {"IQ3_XXS": IQ3_XXS(), "IQ3_S": IQ3_S()}
"""GGML name -> storage type."""
