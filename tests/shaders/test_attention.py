"""Attention: chunks and single tokens, windows, soft caps, shared heads, all cache types."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.caches import cache_of
from tests.support.errors import check_nmse
from tests.support.gpu import VARIANTS, run_kernel, state
from webgemma import reference
from webgemma.architectures.run_quantization import NONE, QUANTIZATIONS

pytestmark = pytest.mark.gpu

HAS_WINDOWS = {20, 128, 512}
"""Sizes of heads in CASES whose model has layers with a window, whether or not this one has."""
CASES = [
    # heads, kv_heads, head_dim, window, cap
    (4, 2, 64, 0, 0.0),
    (8, 1, 256, 0, 0.0),
    (4, 1, 20, 17, 5.0),
    (2, 2, 72, 40, 0.0),
    (3, 1, 128, 64, 50.0),
    (2, 1, 512, 0, 30.0),
    (12, 1, 32, 33, 0.0),
]


def make_inputs(heads, kv_heads, head_dim, tokens, position, variant, cache=NONE):
    """Queries [tokens, heads, D] with sharp scores, and (what is bound, its values) of k and v."""
    rng = np.random.default_rng(5)
    q = rng.standard_normal((tokens, heads, head_dim)).astype(np.float32) * 3 / head_dim**0.5
    k, v = rng.standard_normal((2, position + tokens + 3, kv_heads, head_dim))
    k[position + tokens :] = 100  # what lies after the last token must not be seen
    return q, cache_of(k, cache, variant), cache_of(v, cache, variant)


@pytest.mark.parametrize(("tokens", "position"), [(1, 0), (19, 0), (40, 30), (7, 131)])
@pytest.mark.parametrize("variant", ["f32", "f16", "software"])
@pytest.mark.parametrize("cache", QUANTIZATIONS)
@pytest.mark.parametrize("case", CASES)
def test_prefill(case, cache, variant, tokens, position):
    heads, kv_heads, head_dim, window, cap = case
    q, (k, keys), (v, values) = make_inputs(
        heads, kv_heads, head_dim, tokens, position, variant, cache
    )
    vectors = 1 if head_dim > 256 else 2
    got = run_kernel(
        "attention",
        {
            "head_dim": head_dim, "heads": heads, "kv_heads": kv_heads, "window": window,
            "windows": head_dim in HAS_WINDOWS, "softcap": cap, "split": False,
            "row_vectors": vectors, "cache": cache,
        },
        {
            "state": state(position=position, num_tokens=tokens),
            "q": q, "k_cache": k, "v_cache": v, "y": np.zeros_like(q),
        },
        (-(-tokens * heads // kv_heads // (4 * vectors)), kv_heads, 1),
        variant=variant,
    )["y"]  # fmt: skip
    end = position + tokens
    expected = reference.attention(
        q, keys[:end], values[:end], position=position, window=window, cap=cap
    )
    check_nmse(got, expected, "f32")


@pytest.mark.parametrize(
    ("tokens", "position", "prefix_length"),
    [(70, 0, 70), (70, 0, 41), (9, 0, 1), (40, 30, 30), (33, 5, 0), (1, 0, 1)],
)
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("cache", QUANTIZATIONS)
@pytest.mark.parametrize("case", [(8, 1, 256), (4, 2, 20)])
def test_prefix(case, cache, variant, tokens, position, prefix_length):
    heads, kv_heads, head_dim = case
    q, (k, keys), (v, values) = make_inputs(
        heads, kv_heads, head_dim, tokens, position, variant, cache
    )
    got = run_kernel(
        "attention",
        {
            "head_dim": head_dim, "heads": heads, "kv_heads": kv_heads, "window": 0, "softcap": 0.0,
            "split": False, "row_vectors": 2, "mask": "prefix", "cache": cache,
        },
        {
            "state": state(position=position, num_tokens=tokens, prefix_length=prefix_length),
            "q": q, "k_cache": k, "v_cache": v, "y": np.zeros_like(q),
        },
        (-(-tokens * heads // kv_heads // 8), kv_heads, 1),
        variant=variant,
    )["y"]  # fmt: skip
    end = position + tokens
    expected = reference.attention(
        q, keys[:end], values[:end], position=position, prefix_length=prefix_length
    )
    check_nmse(got, expected, "f32")


@pytest.mark.parametrize("tokens", [1, 33, 70])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("head_dim", [20, 72])
def test_full(variant, head_dim, tokens):
    """Every row sees every other; keys and values are f32 in all variants."""
    heads, scale = 3, head_dim**-0.5
    q, (k, _), (v, _) = make_inputs(heads, heads, head_dim, tokens, 0, "f32")
    q *= head_dim**0.5
    got = run_kernel(
        "attention",
        {
            "head_dim": head_dim, "heads": heads, "kv_heads": heads, "window": 0, "softcap": 0.0,
            "split": False, "row_vectors": 2, "mask": "full", "scale": scale,
        },
        {
            "state": state(num_tokens=tokens),
            "q": q, "k_cache": k, "v_cache": v, "y": np.zeros_like(q),
        },
        (-(-tokens // 8), heads, 1),
        variant=variant,
    )["y"]  # fmt: skip
    together = {"position": 0, "prefix_length": tokens}
    check_nmse(got, reference.attention(q * scale, k[:tokens], v[:tokens], **together), "f32")


@pytest.mark.parametrize("position", [0, 31, 32, 200])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("cache", QUANTIZATIONS)
@pytest.mark.parametrize("case", CASES)
def test_decode(case, cache, variant, position):
    heads, kv_heads, head_dim, window, cap = case
    q, (k, keys), (v, values) = make_inputs(heads, kv_heads, head_dim, 1, position, variant, cache)
    group = heads // kv_heads
    vectors = 1 if head_dim > 256 else min(2, -(-group // 4))
    oldest = max(0, position + 1 - window) // 32 * 32 if window else 0
    splits = -(-(position + 1 - oldest) // 64)
    shape = {
        "head_dim": head_dim, "heads": heads, "window": window, "split_keys": 64,
        "windows": head_dim in HAS_WINDOWS,
    }  # fmt: skip
    words = state(position=position, num_tokens=1)
    parts = run_kernel(
        "attention",
        {
            **shape, "kv_heads": kv_heads, "softcap": cap, "split": True, "row_vectors": vectors,
            "cache": cache,
        },
        {
            "state": words, "q": q, "k_cache": k, "v_cache": v,
            "partial": np.full((splits, heads, head_dim), np.nan, np.float32),
            "maxima": np.full((splits, heads, 2), np.nan, np.float32),
        },
        (splits, kv_heads, -(-group // (4 * vectors))),
        variant=variant,
    )  # fmt: skip
    got = run_kernel(
        "attention_combine",
        shape,
        {"state": words, **parts, "y": np.zeros((heads, head_dim), np.float32)},
        (heads, 1, 1),
        variant=variant,
    )["y"]
    end = position + 1
    expected = reference.attention(
        q, keys[:end], values[:end], position=position, window=window, cap=cap
    )
    check_nmse(got, expected[0], "f32")
