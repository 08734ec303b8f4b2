"""Storage types that keep plain floats: f32, f16, bf16."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webgemma.storage.types import Plane, Planes, bf16_to_f32, check_in_features


@dataclass(frozen=True, slots=True)
class FloatStorage:
    """A matrix of floats, kept as they are: one plane `weight`."""

    name: str
    dtype: str
    bits_per_weight: float

    def planes(self, in_features: int) -> tuple[Plane, ...]:
        """One plane [N, K].

        In tiles its units are eight quads, what as many SIMD lanes read of a row, and its tiles 16
        rows, which an invocation takes (shaders/matvec_floats.wgsl.jinja).
        """
        check_in_features(f"storage {self.name}", in_features, 32)
        return (Plane("weight", self.dtype, in_features, unit_nbytes=128, tile_rows=16),)

    def encode(self, rows: NDArray[np.uint8], in_features: int) -> Planes:
        """The bytes are kept untouched."""
        del in_features
        return (rows,)

    def decode(self, planes: Sequence[NDArray[np.uint8]], in_features: int) -> NDArray[np.float32]:
        """Widen to float32 [n, K], exactly."""
        return floats_to_f32(planes[0], self.dtype)


def floats_to_f32(rows: NDArray[np.uint8], dtype: str) -> NDArray[np.float32]:
    """Bytes [n, row_nbytes] of float32, float16 or bfloat16 -> float32 [n, columns]."""
    rows = np.ascontiguousarray(rows)
    if dtype == "bfloat16":
        return bf16_to_f32(rows.view(np.uint16))
    return rows.view(dtype).astype(np.float32)


F32 = FloatStorage("f32", "float32", 32.0)
F16 = FloatStorage("f16", "float16", 16.0)
BF16 = FloatStorage("bf16", "bfloat16", 16.0)
