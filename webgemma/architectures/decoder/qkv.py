"""Queries, keys and values: norm, projections, rotation, and both cache writes."""

from __future__ import annotations

from dataclasses import dataclass

from webgemma.architectures.decoder.base import Decoder
from webgemma.architectures.decoder.kernels import (
    activations,
    matmul,
    matvec,
    matvec_dispatch,
    only_piece,
    rms_norm,
)
from webgemma.program.builder import Bound, Launch, Scratch
from webgemma.program.spec import Range, Size
from webgemma.storage.layout import Matrix

Parts = list[tuple[tuple[int, ...], Matrix]]
"""(which of q, k and v, their stacked matrix), in order."""


@dataclass(frozen=True, slots=True)
class HeadNorms:
    """Gains f32 [head_dim] of the norms that every query and every key head goes through."""

    q: Range
    k: Range


def qkv(
    d: Decoder, layer: int, gain: Range, rope: str, norms: HeadNorms | None
) -> dict[str, Range]:
    """Append what comes before attention, for both phases; leaves `q` rows, returns the caches.

    Decode does all of it in one kernel per storage type, unless whole heads are needed: for their
    norms, or the scales of a quantized cache.
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
    caches = {
        "k_cache": d.builder.buffer(f"cache.{layer}.k", "cache", d.cache.nbytes),
        "v_cache": d.builder.buffer(f"cache.{layer}.v", "cache", d.cache.nbytes),
    }
    rotated = {"rope": Range(rope), **caches}
    _project_prefill(d, layer, gain, parts)
    _append(d, "prefill", layer, rotated, norms)
    if norms is None and not d.cache.is_quantized:
        for indices, matrix in parts:
            counts = tuple(heads[i] if i in indices else 0 for i in range(3))
            _fused_decode(d, layer, gain, matrix, counts, rotated)
    else:
        _project_decode(d, layer, gain, parts)
        _append(d, "decode", layer, rotated, norms)
    return caches


def _fused_decode(
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


def _width(d: Decoder) -> int:
    """Columns of q, k and v of one token."""
    return (d.config.num_attention_heads + 2 * d.config.num_key_value_heads) * d.config.head_dim


def _project_decode(d: Decoder, layer: int, gain: Range, parts: Parts) -> None:
    c = d.config
    start = 0
    for _, matrix in parts:
        piece = only_piece(matrix)
        extra = {"n": piece.rows, "mode": "store", "norm": True, "eps": c.rms_norm_eps}
        launch = matvec(d, "matvec", matrix, piece, extra, {"Y_START": start}, mode="_store_norm")
        y = d.row("decode.qkv", _width(d))
        bound: dict[str, Bound] = {"w": Range(piece.buffer), "x": d.x, "gain": gain, "y": y}
        dispatch = (matvec_dispatch(piece.rows, c.hidden_size), 1, 1)
        d.builder.step("decode", f"layers.{layer}.qkv", launch, bound, dispatch)
        start += matrix.rows


def _project_prefill(d: Decoder, layer: int, gain: Range, parts: Parts) -> None:
    c = d.config
    label = f"layers.{layer}"
    normed = d.rows("normed", c.hidden_size)
    rms_norm(d, "prefill", f"{label}.input_norm", "write", x=d.x, gain=gain, y=normed)
    taken = activations(d, f"{label}.qkv", normed, c.hidden_size)
    start = 0
    for _, matrix in parts:
        matmul(
            d,
            matrix,
            only_piece(matrix),
            "store",
            y_stride=_width(d),
            y_start=start,
            label=f"{label}.qkv",
            x=taken,
            y=d.rows("qkv", _width(d)),
        )
        start += matrix.rows


def _append(
    d: Decoder, phase: str, layer: int, rotated: dict[str, Range], norms: HeadNorms | None
) -> None:
    """Append rotation and the cache writes of projected rows, behind the heads' norms if any."""
    c = d.config
    launch = _append_kernel(d, norms)
    width = c.num_attention_heads * c.head_dim
    is_decode = phase == "decode"
    projected: Scratch = d.row("decode.qkv", _width(d)) if is_decode else d.rows("qkv", _width(d))
    q = d.row("decode.q", width) if is_decode else d.rows("q", width)
    bound: dict[str, Bound] = {"state": Range("state"), "qkv": projected, "q": q, **rotated}
    if norms is not None:
        bound |= {"q_gain": norms.q, "k_gain": norms.k}
    heads = c.num_attention_heads + 2 * c.num_key_value_heads
    rows: Size = 1 if is_decode else "num_tokens"
    label = f"layers.{layer}.rope_append"
    d.builder.step(phase, label, launch, bound, (heads, rows, 1))


def _append_kernel(d: Decoder, norms: HeadNorms | None) -> Launch:
    c = d.config
    params = {
        "head_dim": c.head_dim,
        "q_heads": c.num_attention_heads,
        "kv_heads": c.num_key_value_heads,
        "scale": c.attention_scale,
        "norm": norms is not None,
        "eps": c.rms_norm_eps,
        "cache": d.run_quantization.cache,
    }
    name = f"rope_append.{c.num_attention_heads}.{c.num_key_value_heads}x{c.head_dim}"
    return d.builder.kernel("rope_append", name, params)
