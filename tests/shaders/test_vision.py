"""What only a vision tower needs: LayerNorm, patches, and the image's rows among the tokens'."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.errors import check_nmse
from tests.support.gpu import run_kernel, state
from webgemma import reference

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("k", [4, 260, 1152])
def test_layer_norm(k):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((6, k)).astype(np.float32) * 3
    x[1] += 500  # far from 0: the variance must be of the centred row
    x[3] = 7
    gain, bias = rng.standard_normal((2, k)).astype(np.float32)
    arrays = {"x": x, "gain": gain, "bias": bias, "y": np.zeros((5, k), np.float32)}
    got = run_kernel("layer_norm", {"k": k, "eps": 1e-6}, arrays, (5, 1, 1))["y"]
    expected = reference.layer_norm(x[:5], gain, bias, 1e-6)
    for row in range(5):
        check_nmse(got[row], expected[row], "f32")


@pytest.mark.parametrize(("channels", "patch", "side", "k"), [(3, 14, 3, 608), (1, 2, 5, 4)])
def test_patches(channels, patch, side, k):
    rng = np.random.default_rng(0)
    image = rng.standard_normal((channels, side * patch, side * patch)).astype(np.float32)
    got = run_kernel(
        "patches",
        {"channels": channels, "patch": patch, "side": side, "k": k},
        {"image": image, "y": np.ones((side * side, k), np.float32)},
        (side * side, -(-k // 64), 1),
    )["y"]
    width = channels * patch * patch
    np.testing.assert_array_equal(got[:, :width], reference.patches(image, patch))
    assert not got[:, width:].any()


@pytest.mark.parametrize("position", [0, 3])
def test_image_rows(position):
    k, token = 260, 9
    tokens = np.array([9, 9, 9, 2, 9, 9, 8, 9], np.uint32)
    rng = np.random.default_rng(0)
    features = rng.standard_normal((6, k)).astype(np.float32)
    x = rng.standard_normal((8, k)).astype(np.float32)
    got = run_kernel(
        "image_rows",
        {"k": k, "token": token, "num_image_tokens": 6},
        {"state": state(position=position), "tokens": tokens, "features": features, "x": x},
        (8, -(-k // 256), 1),
    )["x"]
    expected = reference.image_rows(x, tokens, features, token=token, position=position)
    assert (expected != x).any(axis=1).sum() == (5 if position == 0 else 3)
    np.testing.assert_array_equal(got, expected)
