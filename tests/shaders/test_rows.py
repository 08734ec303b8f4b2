"""The small kernels over rows: norm, embedding, rotation and append."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.caches import check_cache, empty_cache
from tests.support.errors import check_nmse
from tests.support.gpu import VARIANTS, run_kernel, state
from tests.support.weights import make_weights
from webgemma import reference
from webgemma.architectures.run_quantization import QUANTIZATIONS
from webgemma.storage.registry import STORAGE_TYPES

pytestmark = pytest.mark.gpu
EPS = 1e-6


@pytest.mark.parametrize("k", [4, 260, 2304])
@pytest.mark.parametrize("mode", ["write", "add", "logits"])
def test_rms_norm(k, mode):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((9, k)).astype(np.float32) * 40
    x[3] = 0
    gain = rng.standard_normal(k).astype(np.float32)
    before = rng.standard_normal((5, k)).astype(np.float32)
    arrays = {"x": x, "gain": gain, "y": before}
    start = 0
    if mode == "logits":
        start = 3
        arrays["state"] = state(logits_start=start)
    got = run_kernel("rms_norm", {"k": k, "eps": EPS, "mode": mode}, arrays, (5, 1, 1))["y"]
    expected = reference.rms_norm(x[start : start + 5], gain, EPS)
    check_nmse(got, expected + before if mode == "add" else expected, "f32")


@pytest.mark.parametrize("storage", STORAGE_TYPES)
@pytest.mark.parametrize("chained", [False, True])
def test_embed(storage, chained):
    k, rows = 768, 192
    pieces = [make_weights(storage, rows, k, seed) for seed in range(3)]
    table = np.concatenate([piece.values for piece in pieces])
    tokens = np.array([0, 191, 192, 575, 300, 64, 639], np.uint32)  # the last is in no piece here
    params = {
        **pieces[0].params, "scale": 16.0, "piece_rows": rows, "rows": 3 * rows, "num_pieces": 3,
        "chained": chained,
    }  # fmt: skip
    arrays = {f"w{i}": piece for i, piece in enumerate(pieces)}
    if chained:
        for token in tokens[:6]:
            arrays |= {"state": state(token_id=int(token)), "x": np.zeros((1, k), np.float32)}
            got = run_kernel("embed", params, arrays, (1, 2, 1))["x"]
            expected = reference.embed(table, token, 16.0)
            np.testing.assert_allclose(got[0], expected, rtol=3e-7, atol=1e-12)
        return
    arrays |= {"state": state(), "tokens": tokens + 64, "x": np.ones((7, k), np.float32)}
    got = run_kernel("embed", params, arrays, (7, 2, 1), constants={"ROW_START": 64})["x"]
    inside = tokens < 576
    expected = reference.embed(table, tokens[inside], 16.0)
    np.testing.assert_allclose(got[inside], expected, rtol=3e-7, atol=1e-12)
    np.testing.assert_array_equal(got[~inside], 1)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("head_dim", [20, 72, 256])
@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("cache", QUANTIZATIONS)
def test_rope_append(variant, head_dim, norm, cache):
    tokens, heads, kv_heads, position, context = 5, 3, 2, 4, 16
    rng = np.random.default_rng(0)
    qkv = rng.standard_normal((tokens, heads + 2 * kv_heads, head_dim)).astype(np.float32) * 7
    qkv[2, 1] = 0
    qkv[3, heads:] = 0  # a key and a value of zeros
    q_gain, k_gain = rng.standard_normal((2, head_dim)).astype(np.float32)
    factors = 50.0 ** (-2 * np.arange(head_dim // 2) / head_dim)
    angles = np.outer(np.arange(context), factors)
    empty = empty_cache(cache, variant, context, kv_heads, head_dim)
    arrays = {
        "state": state(position=position, num_tokens=tokens),
        "qkv": qkv,
        "rope": np.stack([np.cos(angles), np.sin(angles)], axis=-1).astype(np.float32),
        "q": np.zeros((tokens, heads, head_dim), np.float32),
        "k_cache": empty,
        "v_cache": empty,
    }
    got = run_kernel(
        "rope_append",
        {
            "head_dim": head_dim, "q_heads": heads, "kv_heads": kv_heads, "scale": 0.5,
            "norm": norm, "eps": EPS, "cache": cache,
        },
        arrays | ({"q_gain": q_gain, "k_gain": k_gain} if norm else {}),
        (heads + 2 * kv_heads, tokens, 1),
        variant=variant,
    )  # fmt: skip
    q, k, v = np.split(qkv, (heads, heads + kv_heads), axis=1)
    if norm:
        q, k = reference.rms_norm(q, q_gain, EPS), reference.rms_norm(k, k_gain, EPS)
    positions = position + np.arange(tokens)
    check_nmse(got["q"], reference.rope(q, positions, factors) * 0.5, "f32")
    check_cache(got["k_cache"], reference.rope(k, positions, factors), position, cache, variant)
    check_cache(got["v_cache"], v, position, cache, variant)
