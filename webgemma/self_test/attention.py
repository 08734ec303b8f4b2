"""The attention of a self-test: rotation, both caches, a chunk of tokens and a single one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from webgemma import reference
from webgemma.architectures.decoder.attention import SPLIT_CONSTANTS, SPLIT_KEYS
from webgemma.architectures.decoder.cache import Cache
from webgemma.program.spec import Range
from webgemma.self_test.unfinished import TOKENS, Float32, SelfTest, redraw_near_ties

HEADS, KV_HEADS, HEAD_DIM = 4, 2, 64
SCALE = HEAD_DIM**-0.5
FACTORS = 10_000.0 ** (-2 * np.arange(HEAD_DIM // 2) / HEAD_DIM)

Float64 = NDArray[np.float64]


def draw_heads(rng: np.random.Generator, cache: Cache) -> tuple[Float32, Float64, Float64, Float64]:
    """Draw projected heads, and say what attention gets of them.

    Returns:
        qkv [TOKENS, HEADS + 2 KV_HEADS, HEAD_DIM], and from it rotated and scaled queries, and keys
        and values as the caches give them back.
    """
    shape = (TOKENS, HEADS + 2 * KV_HEADS, HEAD_DIM)
    positions = np.arange(TOKENS)

    def turned(qkv: Float32) -> Float64:
        rotated, values = np.split(qkv, (HEADS + KV_HEADS,), axis=1)
        return np.concatenate([reference.rope(rotated, positions, FACTORS), values], axis=1)

    qkv = rng.standard_normal(shape).astype(np.float32)
    if cache.is_quantized:
        redraw_near_ties(rng, qkv, turned)
    queries, kept = np.split(turned(qkv), (HEADS,), axis=1)
    if cache.is_quantized:
        kept = reference.int8_values(*reference.int8_codes(kept))
    return qkv, queries * SCALE, *np.split(kept, 2, axis=1)


def add_attention(test: SelfTest, rng: np.random.Generator, cache: Cache) -> None:
    """Add rotation, cache writes and attention: of a chunk, and of its last token by itself."""
    b, state = test.builder, Range("state")
    qkv, queries, keys, values = draw_heads(rng, cache)
    init = {"op": "cos_sin", "factors": FACTORS.tolist()}
    caches = {f"{name}_cache": b.buffer(f"cache.{name}", "cache", cache.nbytes) for name in "kv"}
    q_nbytes = 4 * HEADS * HEAD_DIM
    bound = {
        "state": state,
        "qkv": test.upload("qkv", qkv),
        "rope": b.buffer("rope", "table", f"context_window_size * {4 * HEAD_DIM}", init),
        "q": b.buffer("q", "scratch", TOKENS * q_nbytes),
        **caches,
    }
    params: Mapping[str, Any] = {
        "head_dim": HEAD_DIM,
        "q_heads": HEADS,
        "kv_heads": KV_HEADS,
        "scale": SCALE,
        "norm": False,
        "cache": cache.quantization,
    }
    launch = b.kernel("rope_append", "self-test.rope_append", params)
    b.step("prefill", "rope_append", launch, bound, (qkv.shape[1], "num_tokens", 1))

    expected = reference.attention(queries, keys, values, position=0)
    params = {
        "head_dim": HEAD_DIM,
        "heads": HEADS,
        "kv_heads": KV_HEADS,
        "window": 0,
        "softcap": 0.0,
        "split_keys": SPLIT_KEYS,
        "cache": cache.quantization,
    }
    group = HEADS // KV_HEADS
    launch = b.kernel(
        "attention", "self-test.attention", {**params, "split": False, "row_vectors": 2}
    )
    bound = {"state": state, "q": Range("q"), **caches, "y": test.expect("attention", expected)}
    tiles = f"ceil_div(num_tokens * {group}, 8)"
    b.step("prefill", "attention", launch, bound, (tiles, KV_HEADS, 1))

    launch = b.kernel(
        "attention",
        "self-test.attention_split",
        {**params, "split": True, "row_vectors": 1},
        SPLIT_CONSTANTS,
    )
    parts = {
        "state": state,
        "partial": b.buffer("partial", "scratch", 2 * q_nbytes),
        "maxima": b.buffer("maxima", "scratch", 2 * 4 * HEADS * 2),
    }
    last = Range("q", (TOKENS - 1) * q_nbytes, q_nbytes)
    splits = "ceil_div(position + 1, attention_split_keys)"
    bound = {**parts, "q": last, **caches}
    b.step("decode", "attention_split", launch, bound, (splits, KV_HEADS, -(-group // 4)))
    merge = {key: params[key] for key in ("head_dim", "heads", "window", "split_keys")}
    launch = b.kernel("attention_combine", "self-test.attention_combine", merge, SPLIT_CONSTANTS)
    y = test.expect("attention_combine", expected[-1])
    b.step("decode", "attention_combine", launch, {**parts, "y": y}, (HEADS, 1, 1))
