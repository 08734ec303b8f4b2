"""MLC's group quantization: q3f16_1, q4f16_1 and q4f32_1, codes and scales bit for bit.

Source: mlc-llm python/mlc_llm/quantization/group_quantization.py (GroupQuantize._quantize) and
quantization.py (the table of names): codes of b bits, layout [N, K], the largest magnitude of a
group / (2^(b-1) - 1) as its scale, zero in the middle; the uppermost code is never used. A group
is four words of floor(32 / b) codes. Where K ends within a group, the rest of it is zero bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webgemma.storage.types import (
    DTYPE_NBYTES,
    K_MULTIPLE,
    QUAD_NBYTES,
    WORD_NBYTES,
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

WORD_BITS = 32
WORDS_PER_GROUP = 4  # 32 codes of 4 bits, or 40 of 3 bits: ten to a word, two bits unused


@dataclass(frozen=True, slots=True)
class MlcGroup:
    """w = scale * (q - zero); `model_dtype` is the type MLC does the arithmetic in."""

    name: str
    bits: int
    model_dtype: str
    scale_dtype: str

    @property
    def per_word(self) -> int:
        """Codes in a word, the first in the lowest bits."""
        return WORD_BITS // self.bits

    @property
    def group_size(self) -> int:
        """Weights that share a scale."""
        return WORDS_PER_GROUP * self.per_word

    @property
    def zero(self) -> int:
        """The code of 0.0, and the largest magnitude of a code less it."""
        return (1 << (self.bits - 1)) - 1

    @property
    def bits_per_weight(self) -> float:
        """Of codes and scales, without what rounding K up to whole groups adds."""
        group_nbytes = 4 * WORDS_PER_GROUP + DTYPE_NBYTES[self.scale_dtype]
        return 8 * group_nbytes / self.group_size

    def num_groups(self, in_features: int) -> int:
        """Groups of a row; the last may be longer than what is left of the row."""
        return -(-in_features // self.group_size)

    def planes(self, in_features: int) -> tuple[Plane, ...]:
        """q_weight uint32 [N, 4 G] and q_scale [N, G] of G groups (bfloat16 for q4f32_1)."""
        check_in_features(f"storage {self.name}", in_features, K_MULTIPLE)
        groups = self.num_groups(in_features)
        unit_nbytes = QUAD_NBYTES if self.bits == 3 else WORD_NBYTES  # as their kernels read them
        return (
            Plane("q_weight", "uint32", groups * WORDS_PER_GROUP, unit_nbytes=unit_nbytes),
            Plane("q_scale", self.scale_dtype, groups),
        )

    def encode(self, rows: NDArray[np.uint8], in_features: int) -> Planes:
        """Part rows as `webgemma.sources.mlc` reads them: a row's codes, then its scales."""
        codes_nbytes = 4 * WORDS_PER_GROUP * self.num_groups(in_features)
        return (rows[:, :codes_nbytes], rows[:, codes_nbytes:])

    def quantize(self, weights: NDArray[np.float32]) -> Planes:
        """Quantize float32 [n, K]; a group of zeros gets scale 0 and zero codes (MLC's is NaN)."""
        n, in_features = weights.shape
        padding = self.num_groups(in_features) * self.group_size - in_features
        groups = self._rounded(np.pad(weights, ((0, 0), (0, padding))))
        groups = groups.reshape(n, -1, self.group_size)
        zero = np.float32(self.zero)
        scale = self._rounded(np.abs(groups).max(axis=-1) / zero)
        divisor = scale[..., None].copy()
        divisor[divisor == 0] = np.inf
        with np.errstate(invalid="ignore"):  # infinities are the caller's to find
            levels = self._rounded(self._rounded(groups / divisor) + zero)
            codes = np.clip(np.rint(levels), 0, 2 * zero).astype(np.uint8)
        codes = codes.reshape(n, -1)
        codes[:, in_features:] = 0
        return (self._pack(codes), self.scale_bytes(scale))

    def decode(self, planes: Sequence[NDArray[np.uint8]], in_features: int) -> NDArray[np.float32]:
        """Scale * (q - zero), in float32."""
        if self.scale_dtype == "bfloat16":
            scale = bf16_to_f32(np.ascontiguousarray(planes[1]).view(np.uint16))
        else:
            scale = view(planes[1], "float16").astype(np.float32)
        codes = self.unpack(planes[0]).astype(np.float32) - np.float32(self.zero)
        return (np.repeat(scale, self.group_size, axis=1) * codes)[:, :in_features]

    def scale_bytes(self, scale: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Scales [n, G], which `model_dtype` holds exactly, as they are stored."""
        if self.scale_dtype == "bfloat16":
            return as_bytes(f32_to_bf16(scale))
        return as_bytes(scale.astype(self.scale_dtype))

    def _rounded(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Values as `model_dtype` holds them.

        numpy computes in half precision by rounding each result of float32 so, but slower.
        """
        if self.model_dtype == "float32":
            return values
        with np.errstate(over="ignore"):
            return values.astype(self.model_dtype).astype(np.float32)

    def unpack(self, plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Words as bytes [n, row_nbytes] -> codes [n, G * group_size]."""
        if self.bits == 4:
            return unpack_nibbles(plane)
        words = view(plane, "uint32").astype(np.uint32)[..., None]
        shifts = np.arange(self.per_word, dtype=np.uint32) * np.uint32(self.bits)
        codes = (words >> shifts) & np.uint32((1 << self.bits) - 1)
        return codes.astype(np.uint8).reshape(len(plane), -1)

    def _pack(self, codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Codes [n, G * group_size] -> words as bytes; the inverse of `unpack`."""
        if self.bits == 4:
            return pack_nibbles(codes)
        parts = codes.reshape(len(codes), -1, self.per_word)
        words = np.zeros(parts.shape[:2], np.uint32)
        for i in range(self.per_word):
            words |= parts[..., i].astype(np.uint32) << np.uint32(self.bits * i)
        return as_bytes(words)


Q3F16_1 = MlcGroup("q3f16_1", 3, "float16", "float16")
Q4F16_1 = MlcGroup("q4f16_1", 4, "float16", "float16")
Q4F32_1 = MlcGroup("q4f32_1", 4, "float32", "bfloat16")
