"""The tiled matrix product, every storage type, mode and variant, at awkward sizes."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.cases import FEW, rotate, spread
from tests.support.errors import check_nmse, check_rows
from tests.support.gpu import run_kernel, state
from tests.support.weights import make_weights
from webgemma import reference
from webgemma.shaders import render

pytestmark = pytest.mark.gpu

GATED = [f"{mode}.{name}" for mode in ("gated", "times_gate") for name in reference.ACTIVATIONS]
SHAPES = [(7, 37, 256), (33, 130, 768), (1, 65, 512)]  # tokens, rows, columns


@pytest.mark.parametrize("storage", FEW)
def test_no_other_variant_changes_its_text(storage):
    w = make_weights(storage, 64, 256)
    params = {**w.params, "n": 64, "mode": "store", "y_stride": 64, "softcap": 0.0, "f16": False}
    texts = {
        render("matmul", {**params, "subgroups": subgroups, "software": software})
        for subgroups in (False, True)
        for software in (False, True)
    }
    assert len(texts) == 1


@pytest.mark.parametrize(
    ("variant", "storage", "m", "n", "k", "mode"),
    spread(
        ["f32", "f16"],
        [*rotate(["store", "add", "logits", *GATED], SHAPES), *rotate(["store"], SHAPES)],
    ),
)
def test_matmul(storage, variant, m, n, k, mode):
    mode, _, activation = mode.partition(".")
    rows = 2 * n if mode == "gated" else n
    w = make_weights(storage, rows, k)
    rng = np.random.default_rng(4)
    x = rng.standard_normal((m, k)).astype(np.float32)
    before = rng.standard_normal((m, n + 5)).astype(np.float32)
    cap = 3.0
    got = run_kernel(
        "matmul",
        {
            **w.params,
            "n": n,
            "mode": mode,
            "y_stride": n + 5,
            "softcap": cap,
            "activation": activation,
        },
        {"state": state(num_tokens=m), "w": w.words, "x": x, "y": before},
        (-(-n // (32 if mode == "gated" else 64)), -(-m // 32), 1),
        variant=variant,
        constants={"Y_START": 2},
    )["y"]
    np.testing.assert_array_equal(got[:, [0, 1, -1]], before[:, [0, 1, -1]])
    got = got[:, 2 : 2 + n].astype(np.float64)
    product = reference.matmul(w.values, x)
    if mode == "store":
        check_nmse(got, product, variant)
        check_rows(got, product, w.values, x, variant)
    elif mode == "add":
        check_nmse(got, before[:, 2 : 2 + n] + product, variant)
    elif mode == "logits":
        check_nmse(got, reference.softcap(product, cap), variant)
    elif mode == "gated":
        gate, up = np.split(product, 2, axis=-1)
        check_nmse(got, reference.ACTIVATIONS[activation](gate) * up, variant)
    else:
        gate = reference.ACTIVATIONS[activation](before[:, 2 : 2 + n])
        check_nmse(got, gate * product, variant)
