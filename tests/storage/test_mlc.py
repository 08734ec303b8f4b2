"""MLC's quantization, bit for bit against a plain transcription of its formula."""

from __future__ import annotations

import numpy as np
import pytest

from webgemma.storage.mlc import Q4F16_1, Q4F32_1
from webgemma.storage.types import f32_to_bf16, unpack_nibbles


def transcription(weights: np.ndarray, dtype: type) -> tuple[np.ndarray, np.ndarray]:
    """Codes [n, K] and scales [n, K/32] of GroupQuantize._quantize, one group at a time."""
    codes = np.zeros(weights.shape, np.uint8)
    scales = np.zeros((weights.shape[0], weights.shape[1] // 32), dtype)
    for n, row in enumerate(weights.astype(dtype)):
        for g in range(len(row) // 32):
            group = row[32 * g : 32 * g + 32]
            scale = dtype(np.abs(group).max() / dtype(7))
            scales[n, g] = scale
            for i, w in enumerate(group):
                level = dtype(7) if scale == 0 else dtype(dtype(w / scale) + dtype(7))
                codes[n, 32 * g + i] = int(min(max(np.rint(level), 0), 14))
    return codes, scales


@pytest.mark.parametrize(("storage", "dtype"), [(Q4F16_1, np.float16), (Q4F32_1, np.float32)])
def test_bit_for_bit(storage, dtype):
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((6, 128)).astype(np.float32)
    weights[1, :32] = 0  # a group of zeros: scale 0, codes 7
    weights[2] = np.round(weights[2] * 2) / 2 * 7 / 7  # ties
    weights[3, 5] = 60000
    weights[4] *= 1e-6  # float16 subnormals
    codes, scales = transcription(weights, dtype)
    got_codes, got_scales = storage.quantize(weights)
    np.testing.assert_array_equal(unpack_nibbles(got_codes), codes)
    if storage is Q4F32_1:
        expected = f32_to_bf16(scales.astype(np.float32))
    else:
        expected = scales.view(np.uint16)
    np.testing.assert_array_equal(got_scales.view(np.uint16), expected)
    assert np.isfinite(storage.decode((got_codes, got_scales), 128)).all()
