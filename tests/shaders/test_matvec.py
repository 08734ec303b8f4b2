"""The matrix-vector kernels, every storage type and variant, at awkward sizes."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.cases import rotate, spread
from tests.support.errors import check_nmse, check_rows
from tests.support.gpu import VARIANTS, run_kernel
from tests.support.weights import make_weights
from webgemma import reference

pytestmark = pytest.mark.gpu

EPS = 1e-6
SHAPES = [  # rows, columns, lanes, teams; the last makes whole tiles, of gate and up too
    (37, 256, 8, 8),
    (130, 768, 16, 4),
    (5, 2304, 64, 1),
    (192, 512, 16, 4),
    (96, 256, 8, 8),
]


def column_vector(k: int, seed: int = 1) -> np.ndarray:
    """A seeded float32 [k]."""
    return np.random.default_rng(seed).standard_normal(k).astype(np.float32)


def matvec_params(weights, lanes: int, teams: int, *, norm: bool, **extra):
    """The parameters all matvec kernels share."""
    shape = {"lanes": lanes, "teams": teams, "twins": 1 + weights.matrix.rows // 64 % 2}
    return {**weights.params, **shape, "norm": norm, "eps": EPS, **extra}


@pytest.mark.parametrize(
    ("variant", "storage", "n", "k", "lanes", "teams", "mode"),
    spread(list(VARIANTS), [*rotate(["store"], SHAPES), *rotate(["add"], SHAPES[:1])]),
)
def test_matvec(storage, variant, n, k, lanes, teams, mode):
    w = make_weights(storage, n, k)
    x = column_vector(k)
    before = column_vector(n + 3, 2)
    got = run_kernel(
        "matvec",
        matvec_params(w, lanes, teams, norm=False, n=n, mode=mode),
        {"w": w, "x": x, "y": before},
        (-(-n // (4 * teams)), 1, 1),
        variant=variant,
        constants={"Y_START": 2},
    )["y"]
    expected = reference.matvec(w.values, x)
    added = got[2 : 2 + n] - before[2 : 2 + n].astype(np.float64) * (mode == "add")
    np.testing.assert_array_equal(got[[0, 1, -1]], before[[0, 1, -1]])
    if mode == "store":
        check_nmse(added, expected, "f32")
        check_rows(added, expected, w.values, x, "f32")
    else:
        np.testing.assert_allclose(added, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("variant", "storage", "n", "k", "lanes", "teams", "mode"),
    spread(list(VARIANTS), rotate(["store", *reference.ACTIVATIONS], SHAPES)),
)
def test_matvec_of_normed(storage, variant, n, k, lanes, teams, mode):
    """Gate and up of different types: the one is stored, the other multiplies it, activated."""
    w = make_weights(storage, n, k)
    x, gain, before = column_vector(k) * 30, column_vector(k, 3), column_vector(n + 3, 2) * 4
    got = run_kernel(
        "matvec",
        matvec_params(
            w, lanes, teams, norm=True, n=n, activation=mode,
            mode="store" if mode == "store" else "times_gate",
        ),
        {"w": w, "x": x, "gain": gain, "y": before},
        (-(-n // (4 * teams)), 1, 1),
        variant=variant,
        constants={"Y_START": 2},
    )["y"]  # fmt: skip
    np.testing.assert_array_equal(got[[0, 1, -1]], before[[0, 1, -1]])
    expected = reference.matvec(w.values, reference.rms_norm(x, gain, EPS))
    if mode != "store":
        expected *= reference.ACTIVATIONS[mode](before[2 : 2 + n])
    check_nmse(got[2 : 2 + n], expected, "f32")


@pytest.mark.parametrize(
    ("variant", "storage", "n", "k", "lanes", "teams", "activation"),
    spread(list(VARIANTS), rotate(list(reference.ACTIVATIONS), SHAPES)),
)
def test_gate_up(storage, variant, n, k, lanes, teams, activation):
    w = make_weights(storage, 2 * n, k)
    x, gain = column_vector(k) * 30, column_vector(k, 3)
    got = run_kernel(
        "gate_up",
        matvec_params(w, lanes, teams, norm=True, n=n, activation=activation),
        {"w": w, "x": x, "gain": gain, "h": np.zeros(n, np.float32)},
        (-(-n // (2 * teams)), 1, 1),
        variant=variant,
    )["h"]
    check_nmse(got, reference.gate_up(w.values, x, gain, EPS, activation), "f32")


@pytest.mark.parametrize(
    ("variant", "storage", "head_dim", "q_heads", "k_heads", "v_heads"),
    spread(
        list(VARIANTS), [(20, 4, 2, 2), (20, 3, 1, 0), (20, 0, 0, 1), (32, 4, 1, 1), (24, 8, 8, 0)]
    ),
)
def test_qkv_rope(storage, variant, head_dim, q_heads, k_heads, v_heads):
    parts = (q_heads, k_heads, v_heads)
    k, position = 768, 5
    w = make_weights(storage, sum(parts) * head_dim, k)
    x, gain = column_vector(k) * 10, column_vector(k, 3)
    factors = 100.0 ** (-2 * np.arange(head_dim // 2) / head_dim)
    angles = np.outer(np.arange(8), factors)
    table = np.stack([np.cos(angles), np.sin(angles)], axis=-1).astype(np.float32)
    kv = np.float16 if "f16" in variant else np.float32
    arrays = {
        "rope": table,
        "q": np.zeros((q_heads, head_dim), np.float32),
        "k_cache": np.zeros((8, k_heads, head_dim), kv),
        "v_cache": np.zeros((8, v_heads, head_dim), kv),
    }
    from tests.support.gpu import state

    wanted = {"rope": q_heads + k_heads, "q": q_heads, "k_cache": k_heads, "v_cache": v_heads}
    arrays = {name: array for name, array in arrays.items() if wanted[name]}
    arrays |= {"state": state(position=position, num_tokens=1), "w": w, "x": x, "gain": gain}
    lanes, teams = 8, 3
    got = run_kernel(
        "qkv_rope",
        matvec_params(
            w, lanes, teams, norm=True, head_dim=head_dim, q_heads=q_heads, k_heads=k_heads,
            v_heads=v_heads, scale=0.25,
        ),
        arrays,
        (-(-sum(parts) * head_dim // (4 * teams)), 1, 1),
        variant=variant,
    )  # fmt: skip
    y = reference.matvec(w.values, reference.rms_norm(x, gain, EPS)).reshape(-1, head_dim)
    turned = reference.rope(y[None], np.array([position]), factors)[0]
    keys = turned[q_heads : q_heads + k_heads]
    if q_heads:
        check_nmse(got["q"], turned[:q_heads] * 0.25, "f32")
    if k_heads:
        check_nmse(got["k_cache"][position].astype(np.float64), keys, variant)
    if v_heads:
        check_nmse(got["v_cache"][position].astype(np.float64), y[q_heads + k_heads :], variant)
        assert not got["v_cache"][[4, 6]].any()
