"""Gemma 2 in float64 numpy, straight from its definition: slow, obvious, and shared with nothing.

Source: the paper (https://arxiv.org/abs/2408.00118) and transformers' modeling_gemma2.py. Weights
are those of a GGUF file: by its names, norms with the 1 already added.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shape:
    """The numbers of config.json; these are Pebble's."""

    num_hidden_layers: int = 4
    num_attention_heads: int = 4
    num_key_value_heads: int = 2
    head_dim: int = 64
    sliding_window: int = 128
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10000.0
    attn_logit_softcapping: float = 50.0
    final_logit_softcapping: float = 30.0
    has_8_bit_cache: bool = False
    has_8_bit_activations: bool = False


def logits(weights: Mapping[str, Array], tokens: NDArray[np.int64], shape: Shape) -> Array:
    """Logits [num_tokens, vocab_size] of one sequence."""
    x = weights["token_embd.weight"][tokens]
    x = x * np.sqrt(x.shape[1])
    for i in range(shape.num_hidden_layers):
        w = {name: weights[f"blk.{i}.{name}.weight"] for name in LAYER}
        window = shape.sliding_window if i % 2 == 0 else len(tokens)
        y = attention(w, norm(x, w["attn_norm"], shape), shape, window)
        x = x + norm(y, w["post_attention_norm"], shape)
        y = feed_forward(w, norm(x, w["ffn_norm"], shape), shape)
        x = x + norm(y, w["post_ffw_norm"], shape)
    x = norm(x, weights["output_norm.weight"], shape)
    return softcap(x @ weights["token_embd.weight"].T, shape.final_logit_softcapping)


LAYER = ("attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "post_attention_norm",
         "ffn_norm", "ffn_gate", "ffn_up", "ffn_down", "post_ffw_norm")  # fmt: skip


def norm(x: Array, weight: Array, shape: Shape) -> Array:
    """RMSNorm of rows [num_tokens, hidden_size]."""
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + shape.rms_norm_eps) * weight


def softcap(x: Array, cap: float) -> Array:
    """Squeeze values into (-cap, cap)."""
    return cap * np.tanh(x / cap)


def attention(w: Mapping[str, Array], x: Array, shape: Shape, window: int) -> Array:
    """Causal attention over the last `window` tokens, [num_tokens, hidden_size] to the same."""
    groups = shape.num_attention_heads // shape.num_key_value_heads
    x = taken(x, shape)
    q, k, v = (heads(x @ w[name].T, shape) for name in ("attn_q", "attn_k", "attn_v"))
    q, k = rotate(q, shape) / np.sqrt(shape.head_dim), rotate(k, shape)
    if shape.has_8_bit_cache:
        k, v = in_8_bits(k), in_8_bits(v)
    k, v = np.repeat(k, groups, axis=0), np.repeat(v, groups, axis=0)
    scores = softcap(q @ k.transpose(0, 2, 1), shape.attn_logit_softcapping)
    distance = np.arange(len(x))[:, None] - np.arange(len(x))[None, :]
    scores = np.where((distance >= 0) & (distance < window), scores, -np.inf)
    p = np.exp(scores - scores.max(axis=-1, keepdims=True))
    p /= p.sum(axis=-1, keepdims=True)
    y = (p @ v).transpose(1, 0, 2).reshape(len(x), -1)
    return taken(y, shape) @ w["attn_output"].T


def heads(x: Array, shape: Shape) -> Array:
    """[num_tokens, heads * head_dim] to [heads, num_tokens, head_dim]."""
    return x.reshape(len(x), -1, shape.head_dim).transpose(1, 0, 2)


def rotate(x: Array, shape: Shape) -> Array:
    """Turn each pair (i, i + head_dim / 2) of [heads, num_tokens, head_dim] by its angle."""
    half = shape.head_dim // 2
    frequencies = shape.rope_theta ** (-np.arange(half) / half)
    angles = np.outer(np.arange(x.shape[1]), frequencies)
    low, high = x[..., :half], x[..., half:]
    cos, sin = np.cos(angles), np.sin(angles)
    return np.concatenate([low * cos - high * sin, high * cos + low * sin], axis=-1)


def taken(x: Array, shape: Shape) -> Array:
    """What a layer's matrix products take of x."""
    return in_8_bits(x) if shape.has_8_bit_activations else x


def in_8_bits(x: Array) -> Array:
    """The nearest of 255 even steps between -m and m, m the largest magnitude of 32 elements."""
    groups = x.reshape(*x.shape[:-1], -1, 32)
    step = np.abs(groups).max(axis=-1, keepdims=True) / 127
    return (np.rint(groups / step) * step).reshape(x.shape)


def feed_forward(w: Mapping[str, Array], x: Array, shape: Shape) -> Array:
    """down(gelu(gate x) * (up x)), gelu by its tanh formula."""
    x = taken(x, shape)
    gate = x @ w["ffn_gate"].T
    gate = gate * 0.5 * (1 + np.tanh(np.sqrt(2 / np.pi) * (gate + 0.044715 * gate**3)))
    return taken(gate * (x @ w["ffn_up"].T), shape) @ w["ffn_down"].T
