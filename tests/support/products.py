"""What a matrix product kernel should leave, by its mode."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from webgemma import reference

Floats = NDArray[np.floating]


def after_product(
    mode: str, activation: str, product: Floats, before: Floats, cap: float = 0.0
) -> NDArray[np.float64]:
    """The columns [M, N] that a kernel writes where `before` [M, N] stood.

    Args:
        mode: Of shaders/matmul.wgsl.jinja; "gated" halves the product's columns.
        activation: Of the gate, where there is one.
        product: X W^T, exact.
        before: What y held.
        cap: Of the logits.
    """
    if mode == "add":
        return before + product
    if mode == "logits":
        return reference.softcap(product, cap)
    if mode == "gated":
        gate, up = np.split(product, 2, axis=-1)
        return reference.ACTIVATIONS[activation](gate) * up
    if mode == "times_gate":
        return reference.ACTIVATIONS[activation](before) * product
    assert mode == "store"
    return product.astype(np.float64)
