"""Activations as int8 codes, and the matrix product with them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.caches import CLOSE
from tests.support.cases import rotate
from tests.support.errors import check_nmse, check_rows
from tests.support.gpu import VARIANTS, run_kernel, state
from tests.support.products import after_product
from tests.support.weights import make_weights
from webgemma import reference

pytestmark = pytest.mark.gpu

QUANTIZE_ORDER = np.array([0, 2, 4, 6, 1, 3, 5, 7])  # of eight columns: shaders/quantize.wgsl.jinja
WITH_CODES = (
    "q4_0", "q4_1", "q4_k", "q4f16_1", "q4f32_1", "q5_0", "q5_1", "q5_k", "q6_k", "q8_0",
)  # fmt: skip
GATED = [f"{mode}.{name}" for mode in ("gated", "times_gate") for name in reference.ACTIVATIONS]
SHAPES = [  # tokens, rows, columns; two of them in whole tiles
    (7, 37, 256),
    (33, 130, 768),
    (1, 65, 512),
    (64, 128, 256),
    (9, 96, 512),
]
CASES = rotate(["store", "add", *GATED], SHAPES)


def in_order(codes: NDArray[np.int8]) -> NDArray[np.int8]:
    """Codes [M, K] in the order of columns -> as `quantize` stores them, and kernels read them."""
    return codes.reshape(len(codes), -1, 8)[..., QUANTIZE_ORDER].reshape(codes.shape)


def activations(m: int, k: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Codes [M, K] in the order of columns, and their scales, float32 [M, K/32]."""
    x = np.random.default_rng(4).standard_normal((m, k)) * 3
    codes, scales = reference.int8_codes(x)
    return codes, scales.astype(np.float32)


def with_sums(codes: NDArray[np.int8], scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """The pairs (d, d sum(q)) [M, K/32, 2]."""
    sums = codes.reshape(*scales.shape, -1).sum(axis=-1, dtype=np.int32)
    return np.stack([scales, scales * sums], axis=-1).astype(np.float32)


@pytest.mark.parametrize("variant", ["f32", "f16", "software", "lavapipe"])
@pytest.mark.parametrize(("m", "k"), [(1, 32), (3, 96), (5, 2048), (2, 2080)])
def test_quantize(variant, m, k):
    rng = np.random.default_rng(9)
    x = (rng.standard_normal((m, k)) * 10.0 ** rng.integers(-6, 6, (m, 1))).astype(np.float32)
    x[0, :32] = 0  # a scale of 0
    codes = np.zeros((m, k), np.int8)
    scales = np.full((m, k // 32, 2), np.nan, np.float32)
    got = run_kernel(
        "quantize",
        {"k": k},
        {"x": x, "codes": codes, "scales": scales},
        (-(-k // 32 // 64), m, 1),
        variant=variant,
    )
    want, want_scales = reference.int8_codes(x)
    np.testing.assert_allclose(got["scales"][..., 0], want_scales, rtol=1e-6)
    is_clear = in_order(reference.distance_to_tie(x)) > CLOSE
    assert is_clear.mean() > 0.98
    np.testing.assert_array_equal(got["codes"][is_clear], in_order(want)[is_clear])
    np.testing.assert_allclose(
        got["scales"], with_sums(got["codes"], got["scales"][..., 0]), rtol=1e-6
    )


@pytest.mark.parametrize(
    ("variant", "storage", "m", "n", "k", "mode"),
    [
        *(("f32", storage, *case) for storage in WITH_CODES for case in CASES),
        *(("f16", storage, *case) for storage in ("q5_1", "iq2_s") for case in CASES),
        *(
            (variant, storage, *CASES[i])
            for variant in ("software", "lavapipe")
            for i, storage in enumerate(("q4_0", "q6_k", "q8_0", "iq2_s", "f32"))
        ),
    ],
)
def test_matmul(storage, variant, m, n, k, mode):
    mode, _, activation = mode.partition(".")
    rows = 2 * n if mode == "gated" else n
    tile = VARIANTS[variant].symbols
    w = make_weights(storage, rows, k)
    codes, scales = activations(m, k)
    before = np.random.default_rng(5).standard_normal((m, n + 5)).astype(np.float32)
    got = run_kernel(
        "matmul",
        {
            **w.params, "int8": True, "n": n, "mode": mode, "y_stride": n + 5, "softcap": 0.0,
            "activation": activation,
        },
        {
            "state": state(num_tokens=m), "w": w, "x": in_order(codes),
            "x_scale": with_sums(codes, scales), "y": before,
        },
        (-(-rows // tile["matmul_rows"]), -(-m // tile["matmul_tokens"]), 1),
        variant=variant,
        constants={"Y_START": 2},
    )["y"]  # fmt: skip
    np.testing.assert_array_equal(got[:, [0, 1, -1]], before[:, [0, 1, -1]])
    got = got[:, 2 : 2 + n].astype(np.float64)
    x = reference.int8_values(codes, scales)
    product = reference.matmul(w.values, x)
    exact = "f32" if storage in WITH_CODES else variant  # codes are exact in f16 variants, too
    check_nmse(got, after_product(mode, activation, product, before[:, 2 : 2 + n]), exact)
    if mode == "store":
        check_rows(got, product, w.values, x, exact)


@pytest.mark.parametrize("storage", ["q4_0", "q8_0"])
@pytest.mark.parametrize("tile", [(32, 64), (64, 32), (16, 64), (64, 64), (32, 128)])
def test_tiles(storage, tile):
    """Every choice of a tuner; rows that are no multiple of 64 columns take one group a step."""
    m, n, k = 37, 150, 96
    w = make_weights(storage, n, k)
    codes, scales = activations(m, k)
    got = run_kernel(
        "matmul",
        {**w.params, "int8": True, "n": n, "mode": "store", "y_stride": n, "softcap": 0.0},
        {
            "state": state(num_tokens=m), "w": w, "x": in_order(codes),
            "x_scale": with_sums(codes, scales), "y": np.zeros((m, n), np.float32),
        },
        (-(-n // tile[1]), -(-m // tile[0]), 1),
        constants={"TILE_M": tile[0], "TILE_N": tile[1]},
    )["y"]  # fmt: skip
    check_nmse(got, reference.matmul(w.values, reference.int8_values(codes, scales)), "f32")
