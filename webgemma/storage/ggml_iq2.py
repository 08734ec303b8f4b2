"""GGML's IQ2 types: eight weights are an entry of a grid of {8, 25, 43}, signs and a scale.

Source of every block layout: ggml/src/ggml-common.h (block_iq2_xxs, block_iq2_xs, block_iq2_s), as
decoded by gguf-py's quants.py; tests compare with values decoded by llama.cpp's C code. All three
are w = d (0.5 + s) / 4 * (+-grid), 4-bit s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webgemma.storage.ggml_grid import (
    SUPER,
    complete_signs,
    grid,
    grid_plane,
    signed,
    split_signs,
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


def scaled(
    values: NDArray[np.float32], d: NDArray[np.generic], scale: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """(d * (0.5 + scale) * 0.25) * values.

    Args:
        values: [n, K].
        d: float16 [n, K/256].
        scale: 4-bit numbers [n, K/16] or [n, K/32].
    """
    repeats = scale.shape[1] // d.shape[1]
    d_of_scale = np.repeat(d.astype(np.float32), repeats, axis=1)
    db = d_of_scale * (np.float32(0.5) + scale.astype(np.float32)) * np.float32(0.25)
    return np.repeat(db, values.shape[1] // db.shape[1], axis=1) * values


@dataclass(frozen=True, slots=True)
class IQ2_XXS:  # noqa: N801 - the name llama.cpp gives this type
    """8-bit indices, 7-bit signs per 8 weights and a scale per 32 (66 bytes per 256)."""

    name: str = "iq2_xxs"
    bits_per_weight: float = 2.0625

    def planes(self, in_features: int) -> tuple[Plane, ...]:
        """q_weight: per 32 weights a word of indices, a word of signs and scale; q_super f16."""
        check_in_features("storage iq2_xxs", in_features, SUPER)
        return (
            Plane("q_weight", "uint32", in_features // 16, unit_nbytes=QUAD_NBYTES),
            Plane("q_super", "float16", in_features // SUPER),
            grid_plane("IQ2_XXS"),
        )

    def encode(self, rows: NDArray[np.uint8], in_features: int) -> Planes:
        """Blocks d f16, 64 bytes of words -> planes."""
        blocks = split_blocks(rows, 66)
        return (
            blocks[..., 2:].reshape(len(rows), -1),
            blocks[..., 0:2].reshape(len(rows), -1),
        )

    def decode(self, planes: Sequence[NDArray[np.uint8]], in_features: int) -> NDArray[np.float32]:
        """D * (0.5 + scale) / 4 * (+-grid)."""
        n = len(planes[0])
        index = planes[0].reshape(n, -1, 8)[..., :4].reshape(n, -1)
        signs, scale = split_signs(view(planes[0], "<u4")[:, 1::2].astype(np.uint32))
        return scaled(signed(grid("IQ2_XXS")[index], signs), view(planes[1], "<f2"), scale)


@dataclass(frozen=True, slots=True)
class IQ2_XS:  # noqa: N801
    """u16 of 9-bit index and 7-bit signs per 8 weights, a scale per 16 (74 bytes per 256)."""

    name: str = "iq2_xs"
    bits_per_weight: float = 2.3125

    def planes(self, in_features: int) -> tuple[Plane, ...]:
        """q_weight: u16 per 8 weights; q_scale: nibble per 16, the first low; q_super f16."""
        check_in_features("storage iq2_xs", in_features, SUPER)
        return (
            Plane("q_weight", "uint32", in_features // 16, unit_nbytes=QUAD_NBYTES),
            Plane("q_scale", "uint8", in_features // 32),
            Plane("q_super", "float16", in_features // SUPER),
            grid_plane("IQ2_XS"),
        )

    def encode(self, rows: NDArray[np.uint8], in_features: int) -> Planes:
        """Blocks d f16, 64 bytes of u16, 8 bytes of scales -> planes."""
        blocks = split_blocks(rows, 74)
        cuts = (slice(2, 66), slice(66, 74), slice(0, 2))
        return tuple(blocks[..., cut].reshape(len(rows), -1) for cut in cuts)

    def decode(self, planes: Sequence[NDArray[np.uint8]], in_features: int) -> NDArray[np.float32]:
        """D * (0.5 + scale) / 4 * (+-grid)."""
        codes = view(planes[0], "<u2").astype(np.uint16)
        signs = complete_signs((codes >> 9).astype(np.uint8))
        values = signed(grid("IQ2_XS")[codes & 0x1FF], signs)
        return scaled(values, view(planes[2], "<f2"), unpack_nibbles(planes[1]))


@dataclass(frozen=True, slots=True)
class IQ2_S:  # noqa: N801
    """10-bit indices and 8 signs per 8 weights, a scale per 16 (82 bytes per 256)."""

    name: str = "iq2_s"
    bits_per_weight: float = 2.5625

    def planes(self, in_features: int) -> tuple[Plane, ...]:
        """q_weight: per 32 weights a word of low index bytes, a word of signs.

        q_scale: per 32 weights a byte of two scales, a byte of four times 2 high index bits.
        """
        check_in_features("storage iq2_s", in_features, SUPER)
        return (
            Plane("q_weight", "uint32", in_features // 16, unit_nbytes=QUAD_NBYTES),
            Plane("q_scale", "uint8", in_features // 16),
            Plane("q_super", "float16", in_features // SUPER),
            grid_plane("IQ2_S"),
        )

    def encode(self, rows: NDArray[np.uint8], in_features: int) -> Planes:
        """Blocks d f16, 32 bytes of indices, 32 of signs, 8 of high bits, 8 of scales -> planes."""
        n = len(rows)
        blocks = split_blocks(rows, 82)
        index, signs = (blocks[..., at : at + 32].reshape(n, -1, 4) for at in (2, 34))
        high, scale = blocks[..., 66:74], blocks[..., 74:82]
        return (
            np.concatenate([index, signs], axis=-1).reshape(n, -1),
            np.stack([scale, high], axis=-1).reshape(n, -1),
            blocks[..., 0:2].reshape(n, -1),
        )

    def decode(self, planes: Sequence[NDArray[np.uint8]], in_features: int) -> NDArray[np.float32]:
        """D * (0.5 + scale) / 4 * (+-grid)."""
        n = len(planes[0])
        words = planes[0].reshape(n, -1, 2, 4)
        high = planes[1][:, 1::2, None] >> np.array([0, 2, 4, 6], np.uint8) & 3
        index = (words[:, :, 0].astype(np.uint16) | high.astype(np.uint16) << 8).reshape(n, -1)
        values = signed(grid("IQ2_S")[index], words[:, :, 1].reshape(n, -1))
        return scaled(values, view(planes[2], "<f2"), unpack_nibbles(planes[1][:, 0::2]))


KEPT_IQ2: dict[str, StorageType] = {"IQ2_XXS": IQ2_XXS(), "IQ2_XS": IQ2_XS(), "IQ2_S": IQ2_S()}
"""GGML name -> storage type."""
