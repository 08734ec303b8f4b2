"""MLC's group quantization: q4f16_1 and q4f32_1, codes and scales bit for bit.

Source: mlc-llm python/mlc_llm/quantization/group_quantization.py (GroupQuantize._quantize):
group 32, 4 bits, layout [N, K], largest magnitude of a group / 7 as its scale, codes 0..14, zero 7.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webgemma.storage.types import (
    Plane,
    Planes,
    as_bytes,
    bf16_to_f32,
    check_in_features,
    f32_to_bf16,
    pack_nibbles,
    unpack_nibbles,
    view,
)

GROUP = 32
ZERO = 7  # 2 ** (bits - 1) - 1; code 15 is never used


@dataclass(frozen=True, slots=True)
class MlcGroup4:
    """w = scale * (q - 7); `model_dtype` is the type MLC does the arithmetic in."""

    name: str
    model_dtype: str
    scale_dtype: str
    bits_per_weight: float = 4.5

    def planes(self, in_features: int) -> tuple[Plane, ...]:
        """q_weight uint32 [N, K/8], q_scale [N, K/32] (bfloat16 on disk for q4f32_1)."""
        check_in_features(f"storage {self.name}", in_features, GROUP)
        return (
            Plane("q_weight", "uint32", in_features // 8),
            Plane("q_scale", self.scale_dtype, in_features // GROUP),
        )

    def encode(self, rows: NDArray[np.uint8], in_features: int) -> Planes:
        """Refused: this type is made from floats by `quantize`, not repacked from blocks."""
        raise NotImplementedError(self.name)

    def quantize(self, weights: NDArray[np.float32]) -> Planes:
        """Quantize float32 [n, K]; a group of zeros gets scale 0 and codes 7 (MLC's is NaN)."""
        dtype = np.dtype(self.model_dtype)
        groups = weights.astype(dtype).reshape(len(weights), -1, GROUP)
        scale = np.abs(groups).max(axis=-1) / dtype.type(ZERO)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ratio = np.where(scale[..., None] == 0, dtype.type(0), groups / scale[..., None])
        codes = np.clip(np.rint(ratio + dtype.type(ZERO)), 0, 2 * ZERO).astype(np.uint8)
        if self.scale_dtype == "bfloat16":
            scale_bytes = as_bytes(f32_to_bf16(scale.astype(np.float32)))
        else:
            scale_bytes = as_bytes(scale)
        return (pack_nibbles(codes.reshape(len(weights), -1)), scale_bytes)

    def decode(self, planes: Sequence[NDArray[np.uint8]], in_features: int) -> NDArray[np.float32]:
        """Scale * (q - 7), in float32."""
        if self.scale_dtype == "bfloat16":
            scale = bf16_to_f32(np.ascontiguousarray(planes[1]).view(np.uint16))
        else:
            scale = view(planes[1], "float16").astype(np.float32)
        codes = unpack_nibbles(planes[0]).astype(np.float32) - np.float32(ZERO)
        return np.repeat(scale, GROUP, axis=1) * codes


Q4F16_1 = MlcGroup4("q4f16_1", "float16", "float16")
Q4F32_1 = MlcGroup4("q4f32_1", "float32", "bfloat16")
