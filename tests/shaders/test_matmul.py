"""The tiled matrix product, every storage type, mode and variant, at awkward sizes."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.cases import FEW, rotate, spread
from tests.support.errors import check_nmse, check_rows
from tests.support.gpu import VARIANTS, run_kernel, state
from tests.support.products import after_product
from tests.support.weights import make_weights
from webgemma import reference
from webgemma.shaders import render

pytestmark = pytest.mark.gpu

NAMES = ["f32", "f16", "software"]
GATED = [f"{mode}.{name}" for mode in ("gated", "times_gate") for name in reference.ACTIVATIONS]
SHAPES = [  # tokens, rows, columns; two of them in whole tiles
    (7, 37, 256),
    (33, 130, 768),
    (1, 65, 512),
    (24, 128, 256),
    (9, 96, 512),
]


@pytest.mark.parametrize("storage", FEW)
def test_subgroups_alone_change_nothing(storage):
    w = make_weights(storage, 64, 256)
    params = {**w.params, "n": 64, "mode": "store", "y_stride": 64, "softcap": 0.0}
    for f16 in (False, True):
        switches = {**params, "f16": f16, "software": False}
        plain, other = (render("matmul", {**switches, "subgroups": on}) for on in (False, True))
        assert plain == other


@pytest.mark.parametrize("storage", ["q4_0", "f16"])
@pytest.mark.parametrize("mode", ["store", "gated"])
@pytest.mark.parametrize("m", [1, 7, 8, 9, 17])
def test_little_a_workgroup(m, mode, storage):
    n, k = 100, 96
    rows = 2 * n if mode == "gated" else n
    w = make_weights(storage, rows, k)
    x = np.random.default_rng(5).standard_normal((m, k)).astype(np.float32)
    symbols = VARIANTS["software"].symbols
    tile_m, tile_n = symbols["matmul_few_tokens"], symbols["matmul_few_rows"]
    got = run_kernel(
        "matmul",
        {
            **w.params,
            "few": True,
            "n": n,
            "mode": mode,
            "y_stride": n,
            "softcap": 0.0,
            "activation": "silu",
        },
        {"state": state(num_tokens=m), "w": w, "x": x, "y": np.zeros((m, n), np.float32)},
        (-(-rows // tile_n), -(-m // tile_m), 1),
        variant="software",
        constants={"TILE_M": tile_m, "TILE_N": tile_n},
    )["y"]
    want = reference.matmul(w.values, x)
    if mode == "gated":
        want = reference.silu(want[:, :n]) * want[:, n:]
    assert np.abs(got - want).max() <= 1e-5 * np.abs(want).max()


@pytest.mark.parametrize(
    ("variant", "storage", "m", "n", "k", "mode"),
    spread(
        NAMES,
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
        {"state": state(num_tokens=m), "w": w, "x": x, "y": before},
        (
            -(-rows // VARIANTS[variant].symbols["matmul_rows"]),
            -(-m // VARIANTS[variant].symbols["matmul_tokens"]),
            1,
        ),
        variant=variant,
        constants={"Y_START": 2},
    )["y"]
    np.testing.assert_array_equal(got[:, [0, 1, -1]], before[:, [0, 1, -1]])
    got = got[:, 2 : 2 + n].astype(np.float64)
    product = reference.matmul(w.values, x)
    check_nmse(got, after_product(mode, activation, product, before[:, 2 : 2 + n], cap), variant)
    if mode == "store":
        check_rows(got, product, w.values, x, variant)


@pytest.mark.parametrize("bias", ["row", "table"])
@pytest.mark.parametrize("mode", ["store", "add", "activate"])
@pytest.mark.parametrize("variant", NAMES)
@pytest.mark.parametrize(("m", "n", "k"), [(7, 37, 256), (33, 130, 96), (1, 64, 32)])
def test_bias(variant, mode, bias, m, n, k):
    """The bias is added first; columns after the last, up to a multiple of 32, become zeros."""
    w = make_weights("f16", n, k)
    rng = np.random.default_rng(4)
    x = rng.standard_normal((m, k)).astype(np.float32)
    added = rng.standard_normal(n if bias == "row" else (m, n)).astype(np.float32)
    width = n if bias == "table" else -(-n // 32) * 32
    before = rng.standard_normal((m, width)).astype(np.float32)
    got = run_kernel(
        "matmul",
        {
            **w.params, "n": n, "mode": mode, "y_stride": width, "width": width, "bias": bias,
            "activation": "gelu_tanh", "softcap": 0.0,
        },
        {"state": state(num_tokens=m), "w": w, "x": x, "y": before, "bias": added},
        (
            -(-n // VARIANTS[variant].symbols["matmul_rows"]),
            -(-m // VARIANTS[variant].symbols["matmul_tokens"]),
            1,
        ),
        variant=variant,
    )["y"]  # fmt: skip
    expected = reference.matmul(w.values, x) + added
    if mode == "add":
        expected += before[:, :n]
    elif mode == "activate":
        expected = reference.gelu(expected)
    check_nmse(got[:, :n], expected, variant)
    assert not got[:, n:].any()
