"""Comparing logits with an exact reference, position by position."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[np.floating]


def log_softmax(logits: Logits) -> NDArray[np.float64]:
    """Rows of log probabilities."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def mean_kl(got: Logits, expected: Logits) -> float:
    """Mean over positions of KL(expected || got)."""
    p, q = log_softmax(expected), log_softmax(got)
    return float((np.exp(p) * (p - q)).sum(axis=-1).mean())


def check_argmax(got: Logits, expected: Logits, tolerance: float) -> int:
    """Assert equal arg-max wherever the best two differ by more than twice the tolerance.

    Returns:
        How many positions that skips.
    """
    best = np.sort(expected, axis=-1)
    clear = best[:, -1] - best[:, -2] > 2 * tolerance
    np.testing.assert_array_equal(got.argmax(-1)[clear], expected.argmax(-1)[clear])
    return int((~clear).sum())
