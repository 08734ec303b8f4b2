"""How far a kernel's result may be from the float64 reference."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NMSE = {"f32": 1e-10, "f16": 1e-5}
"""Normalised mean squared error: |got - expected|^2 / |expected|^2."""
ROW = {"f32": 1e-5, "f16": 2e-3}
"""A row's error over |w| |x|. f16 rounds weights to 11 bits: 2^-11 of each product at most, and
keys and values likewise."""


def precision(variant: str) -> str:
    """The class of bounds of a variant."""
    return "f16" if "f16" in variant else "f32"


def check_nmse(got: NDArray[np.floating], expected: NDArray[np.floating], variant: str) -> None:
    """Assert the mean squared error bound, printing what it was."""
    error = float(((got - expected) ** 2).sum() / max(float((expected**2).sum()), 1e-30))
    print(f"nmse {error:.2e}, maxdiff {np.abs(got - expected).max():.2e}")
    assert np.isfinite(got).all()
    assert error <= NMSE[precision(variant)]


def check_rows(
    got: NDArray[np.floating],
    expected: NDArray[np.floating],
    w: NDArray[np.floating],
    x: NDArray[np.floating],
    variant: str,
) -> None:
    """Assert each row's bound: got and expected [..., N], w [N, K], x [..., K]."""
    norms = np.linalg.norm(x.astype(np.float64), axis=-1)[..., None]
    scale = norms * np.linalg.norm(w.astype(np.float64), axis=-1)
    excess = np.abs(got - expected) - ROW[precision(variant)] * scale
    assert excess.max() <= 1e-30, f"a row is off by {excess.max():.2e} more than its bound"
