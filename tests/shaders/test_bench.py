"""The two kernels that show what a device can do: they do what they are timed for."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.gpu import run_kernel
from webgemma import reference


@pytest.mark.parametrize("each", [1, 4])
def test_copy(each):
    x = np.random.default_rng(0).integers(0, 2**32, (each * 64 * 3, 4), dtype=np.uint32)
    arrays = {"x": x, "y": np.zeros_like(x)}
    params = {"each": each, "size": 64}
    got = run_kernel("bench_copy", params, arrays, (3, 1, 1))["y"]
    np.testing.assert_array_equal(got, reference.bench_copy(x))


def test_multiply_add():
    params = {"chains": 3, "rounds": 5, "size": 8}
    arrays = {"x": np.array([0.75, 1.5], np.float32), "y": np.zeros(16, np.float32)}
    got = run_kernel("bench_multiply_add", params, arrays, (2, 1, 1))["y"]
    expected = reference.bench_multiply_add(0.75, 1.5, chains=3, rounds=5)
    np.testing.assert_allclose(got, np.tile(expected, 4), rtol=1e-6)
