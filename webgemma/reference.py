"""The float64 numpy version of every kernel: slow, obvious. Tests compare the shaders with it.

Weights come decoded, as float [N, K]; every function computes in float64 and returns float64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Float64 = NDArray[np.float64]
INT8_GROUP_SIZE = 32  # elements with one scale, of cached keys and values and of activations


def matvec(w: Floats, x: Floats) -> Float64:
    """W x: [N, K], [K] -> [N]."""
    return w.astype(np.float64) @ x.astype(np.float64)


def matmul(w: Floats, x: Floats) -> Float64:
    """X W^T: [N, K], [M, K] -> [M, N]."""
    return x.astype(np.float64) @ w.astype(np.float64).T


def embed(table: Floats, tokens: NDArray[np.integer], scale: float) -> Float64:
    """Rows of the table [vocab_size, K] times scale: [T] -> [T, K]."""
    rows: Float64 = table[tokens].astype(np.float64) * scale
    return rows


def rms_norm(x: Floats, gain: Floats, eps: float) -> Float64:
    """The rows of x [..., K] over their root mean square, times gain [K]."""
    x64 = x.astype(np.float64)
    square = (x64**2).mean(axis=-1, keepdims=True)
    normed: Float64 = x64 / np.sqrt(square + eps) * gain.astype(np.float64)
    return normed


def layer_norm(x: Floats, gain: Floats, bias: Floats, eps: float) -> Float64:
    """The rows of x [..., K] less their mean, over their deviation, times gain [K], plus bias."""
    x64 = x.astype(np.float64)
    centred = x64 - x64.mean(axis=-1, keepdims=True)
    variance = (centred**2).mean(axis=-1, keepdims=True)
    normed: Float64 = centred / np.sqrt(variance + eps) * gain.astype(np.float64) + bias
    return normed


def patches(image: Floats, patch: int) -> Float64:
    """Unfold [C, H, W] into [H/patch * W/patch, C * patch * patch], a row of a patch's pixels."""
    channels, height, width = image.shape
    tiles = image.reshape(channels, height // patch, patch, width // patch, patch)
    rows = tiles.transpose(1, 3, 0, 2, 4).reshape(-1, channels * patch * patch)
    return rows.astype(np.float64)


def image_rows(
    x: Floats, tokens: NDArray[np.integer], features: Floats, *, token: int, position: int
) -> Float64:
    """Rows x [T, K], but features [position + i] where tokens [T] are `token`, if there is one."""
    positions = position + np.arange(len(tokens))
    taken = (tokens == token) & (positions < len(features))
    rows = np.where(taken[:, None], features[np.minimum(positions, len(features) - 1)], x)
    return rows.astype(np.float64)


def gelu(x: Floats) -> Float64:
    """GELU in its tanh form ("gelu_pytorch_tanh")."""
    x64 = x.astype(np.float64)
    inner = np.sqrt(2 / np.pi) * (x64 + 0.044715 * x64**3)
    activated: Float64 = 0.5 * x64 * (1 + np.tanh(inner))
    return activated


def silu(x: Floats) -> Float64:
    """SiLU: x times its sigmoid."""
    x64 = x.astype(np.float64)
    activated: Float64 = x64 * 0.5 * (1 + np.tanh(x64 / 2))  # the sigmoid, without overflow
    return activated


ACTIVATIONS: Mapping[str, Callable[[Floats], Float64]] = {"gelu_tanh": gelu, "silu": silu}
"""The words of activation.wgsl.jinja -> what they do."""


def gate_up(w: Floats, x: Floats, gain: Floats, eps: float, activation: str) -> Float64:
    """The gated unit of normed rows: w [2 N, K] gate then up, x [..., K] -> [..., N]."""
    gate, up = np.split(rms_norm(x, gain, eps) @ w.astype(np.float64).T, 2, axis=-1)
    return ACTIVATIONS[activation](gate) * up


def softcap(x: Floats, cap: float) -> Float64:
    """Cap * tanh(x / cap); cap 0 leaves x."""
    x64 = x.astype(np.float64)
    return cap * np.tanh(x64 / cap) if cap else x64


def rope(x: Floats, positions: NDArray[np.integer], factors: Floats) -> Float64:
    """Rotate pairs (i, i + D/2) of x [..., T, heads, D] by positions [T] times factors [D/2]."""
    angles = np.outer(positions, factors.astype(np.float64))[:, None, :]  # [T, 1, D/2]
    a, b = np.split(x.astype(np.float64), 2, axis=-1)
    cos, sin = np.cos(angles), np.sin(angles)
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)


def int8_codes(x: Floats) -> tuple[NDArray[np.int8], Float64]:
    """Vectors as int8 codes: keys and values in the 8-bit cache, activations of int8 products.

    Args:
        x: [..., D].

    Returns:
        codes [..., D] of -127 to 127, scales [..., ceil(D / 32)] of 32 of them each.
    """
    starts = np.arange(0, x.shape[-1], INT8_GROUP_SIZE)
    scales = np.maximum.reduceat(np.abs(x.astype(np.float64)), starts, axis=-1) / 127
    codes = np.rint(x / np.maximum(_of_groups(scales, x.shape[-1]), 1e-30))
    return codes.astype(np.int8), scales


def distance_to_tie(x: Floats) -> Float64:
    """How far an element of x [..., D] is from where two codes are as near, in codes, [..., D]."""
    _, scales = int8_codes(x)
    exact = x / np.maximum(_of_groups(scales, x.shape[-1]), 1e-30)
    distance: Float64 = np.abs(exact % 1 - 0.5)
    return distance


def int8_values(codes: NDArray[np.int8], scales: Floats) -> Float64:
    """What codes stand for: code times scale, [..., D]."""
    values: Float64 = codes * _of_groups(scales.astype(np.float64), codes.shape[-1])
    return values


def _of_groups(scales: Float64, length: int) -> Float64:
    """The scale of every element, [..., length]."""
    each: Float64 = np.repeat(scales, INT8_GROUP_SIZE, axis=-1)[..., :length]
    return each


def attention(
    q: Floats,
    k: Floats,
    v: Floats,
    *,
    position: int,
    window: int = 0,
    cap: float = 0.0,
    prefix_length: int = 0,
) -> Float64:
    """Causal attention of T queries at `position` on over all keys before them.

    Args:
        q: [T, heads, D], already scaled.
        k: [position + T, kv_heads, D].
        v: As k.
        position: Keys that were there before the first query.
        window: A query sees this many keys, itself included; 0: all.
        cap: Soft cap of the scores; 0: none.
        prefix_length: The queries among the first so many see all keys among them.

    Returns:
        [T, heads, D].
    """
    group = q.shape[1] // k.shape[1]
    keys = np.repeat(k.astype(np.float64), group, axis=1)
    values = np.repeat(v.astype(np.float64), group, axis=1)
    scores = softcap(np.einsum("thd,shd->hts", q.astype(np.float64), keys), cap)
    rows = position + np.arange(q.shape[0])[:, None]
    columns = np.arange(k.shape[0])[None, :]
    hidden = columns > rows
    if window:
        hidden |= columns <= rows - window
    hidden &= (rows >= prefix_length) | (columns >= prefix_length)
    scores = np.where(hidden, -np.inf, scores)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    summed: Float64 = np.einsum("hts,shd->thd", weights, values)
    return summed


def mix(values: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The 32-bit hash of gumbel.wgsl.jinja."""
    h = values.astype(np.uint64)
    mask = np.uint64(0xFFFFFFFF)
    h = ((h ^ (h >> np.uint64(16))) * np.uint64(0x7FEB352D)) & mask
    h = ((h ^ (h >> np.uint64(15))) * np.uint64(0x846CA68B)) & mask
    return (h ^ (h >> np.uint64(16))).astype(np.uint32)


def gumbel(seed: int, num_generated: int, num_tokens: int) -> Float64:
    """The noise of tokens 0..num_tokens - 1: -log(-log(u)), u of a hash in (0, 1)."""
    start = mix(np.array([seed], np.uint32)) + np.uint32(num_generated)
    hashes = mix(np.add(mix(start), np.arange(num_tokens, dtype=np.uint32), dtype=np.uint32))
    uniform = ((hashes >> np.uint32(9)).astype(np.float64) + 0.5) * 2.0**-23
    return -np.log(-np.log(uniform))


def head(
    w: Floats, x: Floats, gain: Floats, eps: float, *, cap: float, temperature: float, noise: Floats
) -> tuple[int, Float64]:
    """The next token and the score of each: w [vocab_size, K], x [K], noise [vocab_size]."""
    logits = softcap(matvec(w, rms_norm(x, gain, eps)), cap)
    scores = logits / temperature + noise if temperature > 0 else logits
    return int(scores.argmax()), scores


def pick_rows(
    logits: Floats, *, temperature: float, seed: int, num_generated: int
) -> NDArray[np.int64]:
    """The token of each of the rows [rows, vocab_size], row i's as number num_generated + i."""
    scores = logits.astype(np.float64)
    if temperature > 0:
        numbers = range(num_generated, num_generated + len(logits))
        noise = [gumbel(seed, number, logits.shape[1]) for number in numbers]
        scores = scores / temperature + np.stack(noise)
    chosen: NDArray[np.int64] = scores.argmax(axis=1)
    return chosen


def bench_copy(x: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """What it copies."""
    return x.copy()


def bench_multiply_add(factor: float, term: float, chains: int, rounds: int) -> Float64:
    """The four lanes of all chains summed, of invocations 0..3: [4]."""
    values: Float64 = np.add.outer(np.arange(4.0), np.arange(float(chains)))
    for _ in range(rounds):
        values = values * factor + term
    return np.asarray(4 * values.sum(axis=1))
