"""Statistics of logits: likelihoods of a text, divergences from a reference. Plain numpy.

Everything is computed in float64. The definitions are those of llama.cpp's llama-perplexity
(https://github.com/ggml-org/llama.cpp/tree/master/tools/perplexity), so that figures compare:
n values have the mean m and the standard error sqrt((mean of squares - m^2) / (n - 1)).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[np.float32]
Values = NDArray[np.float64]

FAR_QUANTILE = 0.999
"""The quantile of the divergence that stands in the table, beside the mean and the maximum."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its standard error."""

    value: float
    error: float


@dataclass(frozen=True, slots=True)
class Divergence:
    """How far a model's predictions are from the reference's, in nats per token."""

    mean: Estimate
    far: float
    """The 99.9 % quantile."""
    maximum: float
    same_top: Estimate
    """The share of positions at which both models have the same likeliest token."""


def log_softmax(logits: Logits) -> Values:
    """Log probabilities, float64 [rows, vocab_size], of logits [rows, vocab_size]."""
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=-1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return shifted


def surprisals(log_probabilities: Values, next_tokens: NDArray[np.int64]) -> Values:
    """Negative log-likelihoods, float64 [rows], of the tokens that follow.

    Args:
        log_probabilities: [rows, vocab_size].
        next_tokens: [rows], the token after each row.
    """
    return -log_probabilities[np.arange(len(next_tokens)), next_tokens]


def divergences(reference: Values, other: Values) -> Values:
    """Kullback-Leibler divergences, float64 [rows], of log probabilities [rows, vocab_size].

    Each is the sum over tokens of p (log p - log q), p the reference's probability.
    """
    total: Values = (np.exp(reference) * (reference - other)).sum(axis=-1)
    return total


def mean_and_error(values: Values) -> Estimate:
    """The mean of values [n] and its standard error; the error of fewer than two is 0."""
    mean = float(values.mean())
    if len(values) < 2:
        return Estimate(mean, 0.0)
    spread = float(((values - mean) ** 2).mean())
    return Estimate(mean, math.sqrt(spread / (len(values) - 1)))


def perplexity(values: Values) -> Estimate:
    """Return exp of the mean of surprisals [n]; its error is the mean's, times the value."""
    mean = mean_and_error(values)
    value = math.exp(mean.value)
    return Estimate(value, value * mean.error)


def divergence(values: Values, is_same_top: NDArray[np.bool_]) -> Divergence:
    """Sum up divergences [n] and whether the likeliest tokens were equal [n]."""
    return Divergence(
        mean=mean_and_error(values),
        far=float(np.quantile(values, FAR_QUANTILE)),
        maximum=float(values.max()),
        same_top=mean_and_error(is_same_top.astype(np.float64)),
    )
