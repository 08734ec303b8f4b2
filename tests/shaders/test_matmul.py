"""The tiled matrix product, every storage type, mode and variant, at awkward sizes."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.errors import check_nmse, check_rows
from tests.support.gpu import VARIANTS, run_kernel, state
from tests.support.weights import make_weights
from webgemma import reference
from webgemma.storage.registry import STORAGE_TYPES

pytestmark = pytest.mark.gpu

SHAPES = [(7, 37, 256), (33, 130, 768), (1, 65, 512)]  # tokens, rows, columns


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("storage", STORAGE_TYPES)
@pytest.mark.parametrize(("m", "n", "k"), SHAPES)
@pytest.mark.parametrize("mode", ["store", "add", "logits", "geglu"])
def test_matmul(storage, variant, m, n, k, mode):
    rows = 2 * n if mode == "geglu" else n
    w = make_weights(storage, rows, k)
    rng = np.random.default_rng(4)
    x = rng.standard_normal((m, k)).astype(np.float32)
    before = rng.standard_normal((m, n + 5)).astype(np.float32)
    cap = 3.0
    got = run_kernel(
        "matmul",
        {**w.params, "n": n, "mode": mode, "y_stride": n + 5, "softcap": cap},
        {"state": state(num_tokens=m), "w": w.words, "x": x, "y": before},
        (-(-n // (32 if mode == "geglu" else 64)), -(-m // 32), 1),
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
    else:
        gate, up = np.split(product, 2, axis=-1)
        check_nmse(got, reference.gelu(gate) * up, variant)
