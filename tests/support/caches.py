"""Caches of keys and values as arrays: floats of the variant, or 8 bits as shaders have them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support.errors import check_nmse
from webgemma import reference
from webgemma.architectures.run_quantization import NONE
from webgemma.storage.types import QUAD_NBYTES

Floats = NDArray[np.floating]
CLOSE = 1e-3  # of a code, to where two codes are as near


def cache_of(x: Floats, cache: str, variant: str) -> tuple[NDArray[Any], Floats]:
    """(what a kernel binds for the vectors x [context, heads, D], the values that it holds)."""
    if cache == NONE:
        floats = x.astype(np.float16 if "f16" in variant else np.float32)
        return floats, floats
    codes, scales = reference.int8_codes(x)
    stored = scales.astype(np.float32)
    words = [_in_quads(codes.view(np.uint8)), _in_quads(stored.view(np.uint8))]
    return np.concatenate(words, axis=-1).view("<u4"), reference.int8_values(codes, stored)


def _in_quads(data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The bytes [..., n], zeros behind them, so that n is a multiple of 16."""
    return np.pad(data, [(0, 0)] * (data.ndim - 1) + [(0, -data.shape[-1] % QUAD_NBYTES)])


def empty_cache(cache: str, variant: str, context: int, heads: int, head_dim: int) -> NDArray[Any]:
    """The cache of `context` tokens, zeros."""
    return np.zeros_like(cache_of(np.zeros((context, heads, head_dim)), cache, variant)[0])


def check_cache(got: NDArray[Any], x: Floats, position: int, cache: str, variant: str) -> None:
    """Check that an empty cache holds the vectors x [tokens, heads, D] from `position` on.

    Of 8 bits the codes must be the reference's, but where the reference is between two.
    """
    end = position + len(x)
    assert not got[:position].any()
    assert not got[end:].any()
    if cache == NONE:
        check_nmse(got[position:end].astype(np.float64), x, variant)
        return
    words, head_dim = got[position:end], x.shape[-1]
    expected, expected_scales = reference.int8_codes(x)
    first_scale = -(-head_dim // QUAD_NBYTES) * 4
    codes = np.ascontiguousarray(words[..., : head_dim // 4]).view(np.int8)
    scales = np.ascontiguousarray(words[..., first_scale:]).view(np.float32)
    assert not words[..., head_dim // 4 : first_scale].any()
    assert not scales[..., expected_scales.shape[-1] :].any()
    scales = scales[..., : expected_scales.shape[-1]]
    np.testing.assert_allclose(scales, expected_scales, rtol=1e-5)
    is_clear = reference.distance_to_tie(x) > CLOSE
    assert is_clear.mean() > 0.99
    np.testing.assert_array_equal(codes[is_clear], expected[is_clear])
    assert np.abs(codes.astype(np.int32) - expected).max() <= 1
