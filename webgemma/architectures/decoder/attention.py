"""Attention: what comes before it, and the softmax over the caches."""

from __future__ import annotations

from typing import Any

from webgemma.architectures.decoder.base import Decoder
from webgemma.architectures.decoder.qkv import HeadNorms, qkv
from webgemma.program.builder import Bound
from webgemma.program.spec import Range, Size

KEYS = 32  # keys per step of the attention kernel
SPLIT_KEYS = 64  # keys per workgroup when decode splits them: at least, a tuner may take more
SPLIT_CONSTANTS: dict[str, Size] = {"SPLIT_KEYS": "attention_split_keys"}


def attention(
    d: Decoder,
    layer: int,
    gain: Range,
    *,
    window: int = 0,
    rope: str = "rope",
    head_norms: HeadNorms | None = None,
) -> None:
    """Append norm, projections, rotation, cache and attention; leaves `attention` rows.

    Args:
        d: The decoder.
        layer: Its number.
        gain: Of the norm before the projections.
        window: Keys that a query sees, itself included; 0: all.
        rope: The table of rotations, one of the configuration's.
        head_norms: Gains of the norms of every query and key head, if there are such norms.
    """
    caches = qkv(d, layer, gain, rope, head_norms)
    _attend(d, layer, caches, window=window)


def _attend(d: Decoder, layer: int, caches: dict[str, Range], *, window: int) -> None:
    c = d.config
    window = 0 if window >= d.max_context_window_size else window
    params = {
        "head_dim": c.head_dim,
        "heads": c.num_attention_heads,
        "kv_heads": c.num_key_value_heads,
        "window": window,
        "windows": c.has_windows,
        "softcap": c.attn_logit_softcapping,
        "split_keys": SPLIT_KEYS,
        "cache": d.run_quantization.cache,
    }
    name = f"{c.num_attention_heads}.{c.num_key_value_heads}x{c.head_dim}.w{window}"
    _attend_prefill(d, layer, caches, params, name)
    _attend_decode(d, layer, caches, params, name)


def most_row_vectors(head_dim: int) -> int:
    """Vectors of four rows whose queries fit the workgroup memory of `attention`."""
    return 1 if head_dim > 256 else 2


def _attend_prefill(
    d: Decoder, layer: int, caches: dict[str, Range], params: dict[str, Any], name: str
) -> None:
    c = d.config
    group = c.num_attention_heads // c.num_key_value_heads
    width = c.num_attention_heads * c.head_dim
    vectors = most_row_vectors(c.head_dim)
    params = {**params, "split": False, "row_vectors": vectors}
    if c.has_prefix:
        params["mask"] = "prefix"
    launch = d.builder.kernel("attention", f"attention.{name}", params)
    bound: dict[str, Bound] = {
        "state": Range("state"),
        "q": d.rows("q", width),
        "y": d.rows("attention", width),
        **caches,
    }
    tiles = f"ceil_div(num_tokens * {group}, {4 * vectors})"
    dispatch = (tiles, c.num_key_value_heads, 1)
    d.builder.step("prefill", f"layers.{layer}.attention", launch, bound, dispatch)


def _attend_decode(
    d: Decoder, layer: int, caches: dict[str, Range], params: dict[str, Any], name: str
) -> None:
    """Append attention split over the keys, and the merge of its parts."""
    c = d.config
    group = c.num_attention_heads // c.num_key_value_heads
    width = c.num_attention_heads * c.head_dim
    vectors = min(most_row_vectors(c.head_dim), -(-group // 4))
    launch = d.builder.kernel(
        "attention",
        f"attention_split.{name}",
        {**params, "split": True, "row_vectors": vectors},
        SPLIT_CONSTANTS,
    )
    most_splits = d.max_context_window_size // SPLIT_KEYS + 2
    parts: dict[str, Bound] = {
        "state": Range("state"),
        "partial": d.row("decode.partial", most_splits * width),
        "maxima": d.row("decode.maxima", most_splits * c.num_attention_heads * 2),
    }
    window = params["window"]
    oldest = f"max(0, position + 1 - {window}) // {KEYS} * {KEYS}" if window else "0"
    splits = f"ceil_div(position + 1 - {oldest}, attention_split_keys)"
    d.builder.step(
        "decode",
        f"layers.{layer}.attention",
        launch,
        {**parts, "q": d.row("decode.q", width), **caches},
        (splits, c.num_key_value_heads, -(-group // (4 * vectors))),
    )
    merge = {key: params[key] for key in ("head_dim", "heads", "window", "windows", "split_keys")}
    d.builder.step(
        "decode",
        f"layers.{layer}.attention_combine",
        d.builder.kernel("attention_combine", f"attention_combine.{name}", merge, SPLIT_CONSTANTS),
        {**parts, "y": d.row("decode.attention", width)},
        (c.num_attention_heads, 1, 1),
    )
