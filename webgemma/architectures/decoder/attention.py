"""Attention: norm, projections, rotation, cache and the softmax over it."""

from __future__ import annotations

from typing import Any

from webgemma.architectures.decoder.base import Decoder
from webgemma.architectures.decoder.kernels import (
    matmul,
    matvec,
    matvec_dispatch,
    only_piece,
    rms_norm,
)
from webgemma.program.builder import Bound
from webgemma.program.spec import Range
from webgemma.storage.layout import Matrix

KEYS = 32  # keys per step of the attention kernel
SPLIT_KEYS = 64  # keys per workgroup when decode splits them


def attention(d: Decoder, layer: int, gain: Range, *, window: int = 0, rope: str = "rope") -> None:
    """Append norm, projections, rotation, cache and attention; leaves `attention` rows.

    `rope` names the table of rotations, one of the configuration's.
    """
    c = d.config
    kv = c.num_key_value_heads
    heads = (c.num_attention_heads, kv, kv)
    parts = d.matrix(
        f"model.layers.{layer}.self_attn.qkv_proj",
        ("q_proj", "k_proj", "v_proj"),
        tuple(h * c.head_dim for h in heads),
        c.hidden_size,
        layer,
    )
    nbytes = f"context_window_size * {kv * c.head_dim} * kv_nbytes"
    rotated = {
        "rope": Range(rope),
        "k_cache": d.builder.buffer(f"cache.{layer}.k", "cache", nbytes),
        "v_cache": d.builder.buffer(f"cache.{layer}.v", "cache", nbytes),
    }
    for indices, matrix in parts:
        counts = tuple(heads[i] if i in indices else 0 for i in range(3))
        _qkv_decode(d, layer, gain, matrix, counts, rotated)
    _qkv_prefill(d, layer, gain, parts, heads, rotated)
    caches = {name: rotated[name] for name in ("k_cache", "v_cache")}
    _attend(d, layer, caches, window=window)


def _qkv_decode(
    d: Decoder,
    layer: int,
    gain: Range,
    matrix: Matrix,
    heads: tuple[int, ...],
    rotated: dict[str, Range],
) -> None:
    c = d.config
    extra = {
        "head_dim": c.head_dim,
        "q_heads": heads[0],
        "k_heads": heads[1],
        "v_heads": heads[2],
        "scale": c.attention_scale,
        "eps": c.rms_norm_eps,
    }
    piece = only_piece(matrix)
    launch = matvec(d, "qkv_rope", matrix, piece, extra)
    available: dict[str, Bound] = {
        "state": Range("state"),
        "w": Range(piece.buffer),
        "x": d.x,
        "gain": gain,
        "q": d.row("decode.q", c.num_attention_heads * c.head_dim),
        **rotated,
    }
    bound = {name: available[name] for name, _ in launch.bindings}
    dispatch = (matvec_dispatch(sum(heads) * c.head_dim, c.hidden_size), 1, 1)
    d.builder.step("decode", f"layers.{layer}.qkv", launch, bound, dispatch)


def _qkv_prefill(
    d: Decoder,
    layer: int,
    gain: Range,
    parts: list[tuple[tuple[int, ...], Matrix]],
    heads: tuple[int, ...],
    rotated: dict[str, Range],
) -> None:
    c = d.config
    label = f"layers.{layer}"
    normed = d.rows("normed", c.hidden_size)
    rms_norm(d, "prefill", f"{label}.input_norm", "write", x=d.x, gain=gain, y=normed)
    width = sum(heads) * c.head_dim
    qkv = d.rows("qkv", width)
    start = 0
    for _, matrix in parts:
        matmul(
            d,
            matrix,
            only_piece(matrix),
            "store",
            y_stride=width,
            y_start=start,
            label=f"{label}.qkv",
            x=normed,
            y=qkv,
        )
        start += matrix.rows
    params = {
        "head_dim": c.head_dim,
        "q_heads": heads[0],
        "kv_heads": heads[1],
        "scale": c.attention_scale,
    }
    name = f"rope_append.{heads[0]}.{heads[1]}x{c.head_dim}"
    launch = d.builder.kernel("rope_append", name, params)
    q = d.rows("q", c.num_attention_heads * c.head_dim)
    bound: dict[str, Bound] = {
        "state": Range("state"),
        "qkv": qkv,
        "q": q,
        **rotated,
    }
    dispatch = (-(-width // 2 // 64), "num_tokens", 1)
    d.builder.step("prefill", f"{label}.rope_append", launch, bound, dispatch)


def _attend(d: Decoder, layer: int, caches: dict[str, Range], *, window: int) -> None:
    c = d.config
    window = 0 if window >= c.max_context_window_size else window
    params = {
        "head_dim": c.head_dim,
        "heads": c.num_attention_heads,
        "kv_heads": c.num_key_value_heads,
        "window": window,
        "softcap": c.attn_logit_softcapping,
        "split_keys": SPLIT_KEYS,
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
    launch = d.builder.kernel(
        "attention", f"attention.{name}", {**params, "split": False, "row_vectors": vectors}
    )
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
        "attention", f"attention_split.{name}", {**params, "split": True, "row_vectors": vectors}
    )
    most_splits = c.max_context_window_size // SPLIT_KEYS + 2
    parts: dict[str, Bound] = {
        "state": Range("state"),
        "partial": d.row("decode.partial", most_splits * width),
        "maxima": d.row("decode.maxima", most_splits * c.num_attention_heads * 2),
    }
    window = params["window"]
    oldest = f"max(0, position + 1 - {window}) // {KEYS} * {KEYS}" if window else "0"
    splits = f"ceil_div(position + 1 - {oldest}, {SPLIT_KEYS})"
    d.builder.step(
        "decode",
        f"layers.{layer}.attention",
        launch,
        {**parts, "q": d.row("decode.q", width), **caches},
        (splits, c.num_key_value_heads, -(-group // (4 * vectors))),
    )
    merge = {key: params[key] for key in ("head_dim", "heads", "window", "split_keys")}
    d.builder.step(
        "decode",
        f"layers.{layer}.attention_combine",
        d.builder.kernel("attention_combine", f"attention_combine.{name}", merge),
        {**parts, "y": d.row("decode.attention", width)},
        (c.num_attention_heads, 1, 1),
    )
