"""MLC's quantization, bit for bit against a plain transcription of its formula."""

from __future__ import annotations

import numpy as np
import pytest

from webgemma.errors import ConfigError
from webgemma.storage.mlc import Q3F16_1, Q4F16_1, Q4F32_1, MlcGroup
from webgemma.storage.registry import storage_for
from webgemma.storage.types import f32_to_bf16

# name -> (bits, group, codes per word, the type of the arithmetic)
FORMULA = {
    "q3f16_1": (3, 40, 10, np.float16),
    "q4f16_1": (4, 32, 8, np.float16),
    "q4f32_1": (4, 32, 8, np.float32),
}


def transcription(name: str, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Words [n, G * 4] and scales [n, G] of GroupQuantize._quantize, one weight at a time."""
    bits, group, per_word, dtype = FORMULA[name]
    largest = 2 ** (bits - 1) - 1
    n, k = weights.shape
    groups = -(-k // group)
    words = [[0] * (groups * group // per_word) for _ in range(n)]
    scales = np.zeros((n, groups), dtype)
    for row, values in enumerate(weights.astype(dtype)):
        for g in range(groups):
            magnitudes = [abs(value) for value in values[group * g : group * (g + 1)]]
            scales[row, g] = dtype(max(magnitudes) / dtype(largest))
        for column, value in enumerate(values):
            scale = scales[row, column // group]
            level = dtype(largest)
            if scale != 0:
                level = dtype(dtype(value / scale) + dtype(largest))
            code = int(min(max(np.rint(level), 0), 2 * largest))
            words[row][column // per_word] |= code << (bits * (column % per_word))
    return np.array(words, np.uint32), scales


def seeded_weights(columns: int) -> np.ndarray:
    """Rows that are plain, zero in a group, full of ties, huge, and tiny: float32 [6, columns]."""
    weights = np.random.default_rng(0).standard_normal((6, columns)).astype(np.float32)
    weights[1, :40] = 0
    weights[2] = np.round(weights[2] * 2) / 2
    weights[2, ::13] = 7.0  # a scale of 1 for 4 bits, so that halves are ties
    weights[5, ::13] = 3.0  # the same for 3 bits
    weights[5, 1::2] = np.round(weights[5, 1::2]) + 0.5
    weights[3, 5] = 60000
    weights[4] *= 1e-6  # float16 subnormals
    return weights


@pytest.mark.parametrize("storage", [Q3F16_1, Q4F16_1, Q4F32_1], ids=lambda s: s.name)
@pytest.mark.parametrize("columns", [32, 128, 120, 333])
def test_bit_for_bit(storage: MlcGroup, columns: int) -> None:
    weights = seeded_weights(columns)
    words, scales = transcription(storage.name, weights)
    got_words, got_scales = storage.quantize(weights)
    np.testing.assert_array_equal(got_words.view(np.uint32), words)
    expected = f32_to_bf16(scales) if storage is Q4F32_1 else scales.view(np.uint16)
    np.testing.assert_array_equal(got_scales.view(np.uint16), expected)


@pytest.mark.parametrize("storage", [Q3F16_1, Q4F16_1, Q4F32_1], ids=lambda s: s.name)
def test_decoded(storage: MlcGroup) -> None:
    """Each weight is within half a step of what it was, as far as the scale itself is exact."""
    weights = np.random.default_rng(1).standard_normal((5, 352)).astype(np.float32)
    planes = storage.quantize(weights)
    assert [p.shape[1] for p in planes] == [p.row_nbytes for p in storage.planes(352)]
    decoded = storage.decode(planes, 352)
    step = np.abs(weights).max(axis=1, keepdims=True) / storage.zero
    assert decoded.shape == weights.shape
    assert (np.abs(decoded - weights) <= 0.51 * step + 0.01 * np.abs(weights)).all()


@pytest.mark.parametrize("storage", [Q3F16_1, Q4F16_1, Q4F32_1], ids=lambda s: s.name)
def test_codes_of_a_file_are_kept(storage: MlcGroup) -> None:
    """A row as it is read, codes and then scales, becomes the very planes it was made of."""
    planes = storage.quantize(seeded_weights(96))
    kept = storage_for("x: tensor 'w'", storage.name.upper()).encode(np.hstack(planes), 96)
    for got, expected in zip(kept, planes, strict=True):
        np.testing.assert_array_equal(got, expected)


def test_bits_per_weight() -> None:
    assert [s.bits_per_weight for s in (Q3F16_1, Q4F16_1, Q4F32_1)] == [3.6, 4.5, 4.5]


def test_columns_that_kernels_cannot_read() -> None:
    with pytest.raises(ConfigError) as error:
        Q3F16_1.planes(40)
    assert str(error.value) == (
        "storage q3f16_1: in_features is 40, expected a multiple of 32. Keep this matrix in "
        "another type, or pad the model's width."
    )


def test_bf16_is_cut_off_where_rounding_would_give_infinity() -> None:
    bits = np.array([0x3F808000, 0x3F818000, 0x7F7EFFFF, 0x7F7FFFFF, 0xFF7FFFFF], np.uint32)
    got = f32_to_bf16(bits.view(np.float32))
    assert [f"{value:04x}" for value in got] == ["3f80", "3f82", "7f7f", "7f7f", "ff7f"]
