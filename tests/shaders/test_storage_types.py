"""Single weights of every storage type, as the embed, matmul and matvec kernels decode them.

Products with unit vectors read weights out one by one. With w = d q + m, in whatever parts a type
stores these, an f32 kernel is within 2^-22 (|d q| + |m|). The f16 variants of matmul round the
finished weight to float16: 2^-11 |w|, or 2^-25 where that is subnormal, comes on top, for |w| up to
65504; this is the same for all types. The other kernels decode to f32 in all variants.

A GPU may flush float16-subnormal weights (below 2^-14) in f16 variants, and float32-subnormal ones
(below 2^-126: MXFP4's smallest exponents) anywhere; the software adapter keeps the former.
"""

from __future__ import annotations

import numpy as np
import pytest
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
from numpy.typing import NDArray

from tests.support.blocks import halves_of, random_blocks
from tests.support.gpu import VARIANTS, run_kernel, state
from tests.support.weights import SOURCE_TYPES, Weights, encode, weights_of
from webgemma.storage.registry import STORAGE_TYPES
from webgemma.storage.types import Planes

pytestmark = pytest.mark.gpu

K = 512  # columns of the fixture's rows
FIXTURE_ROWS, ROWS = 8, 64  # llama.cpp's, and with random ones
F32_ERROR = 2.0**-22
F16_ERROR = 2.0**-11
F16_STEP = 2.0**-25  # half of what float16-subnormal numbers differ by
LAST_FINITE = 252  # the exponent of MXFP4 up to which all its weights are finite
TINY = 2.0**-126  # float32 has only subnormal numbers below
AFFINE = ("q4_1", "q5_1", "q2_k", "q4_k", "q5_k")
"""Types with an m: the weights that are left where all codes are 0."""
CODES = ("q_weight", "q_high")


@pytest.fixture(scope="module")
def blocks(fixtures):
    """llama.cpp's blocks of every GGML type: GGML name -> raw rows."""
    data = np.load(fixtures / "ggml-blocks.npz")
    names = [name.removesuffix(".blocks") for name in data if name.endswith(".blocks")]
    return {name: data[f"{name}.blocks"] for name in names}


def make_planes(storage: str, blocks: dict[str, NDArray[np.uint8]]) -> Planes:
    """Planes of llama.cpp's blocks and random ones, half of them with f16-subnormal scales."""
    rng = np.random.default_rng(11)
    name = SOURCE_TYPES.get(storage)
    if name not in blocks:
        values = rng.standard_normal((ROWS, K)).astype(np.float32)
        values[::2] *= 2.0**-18
        return encode(storage, values, rng)
    size, _ = GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    shape = (ROWS - FIXTURE_ROWS, K // size, halves_of(name))
    scales = rng.uniform(2.0**-9, 2.0**-5, shape).astype(np.float16)
    scales[::2] = rng.integers(1, 0x400, scales[::2].shape, np.uint16).view(np.float16)
    scales *= rng.choice(np.array([-1, 1], np.float16), shape)
    raw = np.concatenate([blocks[name], random_blocks(name, K, scales, rng)])
    return STORAGE_TYPES[storage].encode(raw, K)


def terms(storage: str, planes: Planes) -> NDArray[np.float64]:
    """|d q| + |m| of every weight [ROWS, K]."""
    kind = STORAGE_TYPES[storage]
    values = kind.decode(planes, K).astype(np.float64)
    if storage not in AFFINE:
        return np.abs(values)
    names = [plane.name for plane in kind.planes(K)]
    zeroed = [plane * (name not in CODES) for name, plane in zip(names, planes, strict=True)]
    offsets = kind.decode([plane.astype(np.uint8) for plane in zeroed], K).astype(np.float64)
    assert offsets.any()
    return np.abs(values - offsets) + np.abs(offsets)


def check(got: NDArray[np.float32], expected: NDArray[np.float32], bound: NDArray[np.floating]):
    """Assert that every weight is within its bound, saying how much of it is used."""
    assert np.isfinite(expected).all()
    error = np.abs(got.astype(np.float64) - expected.astype(np.float64))
    used = (error / np.maximum(bound, np.finfo(np.float64).tiny)).max()
    print(f"{used:.3f} of the bound")
    assert used <= 1


def read_matmul(w: Weights, variant: str = "f32") -> NDArray[np.float32]:
    """Weights as the columns of W times the identity."""
    rows, columns = w.values.shape
    units = np.eye(columns, dtype=np.float32)
    y = np.full((columns, rows), np.nan, np.float32)
    y = run_kernel(
        "matmul",
        {**w.params, "n": rows, "mode": "store", "y_stride": rows, "softcap": None},
        {"state": state(num_tokens=columns), "w": w, "x": units, "y": y},
        (
            -(-rows // VARIANTS[variant].symbols["matmul_rows"]),
            -(-columns // VARIANTS[variant].symbols["matmul_tokens"]),
            1,
        ),
        variant=variant,
    )["y"]
    return y.T


def read_matvec(w: Weights, variant: str = "f32") -> NDArray[np.float32]:
    """Weights as the products with one unit vector after the other."""
    rows, columns = w.values.shape
    assert rows % 64 == columns % 64 == 0  # ranges start at multiples of 256 bytes
    calls = [
        {"x": (4 * columns * i, 4 * columns), "y": (4 * rows * i, 4 * rows)} for i in range(columns)
    ]
    y = run_kernel(
        "matvec",
        {**w.params, "n": rows, "mode": "store", "norm": False, "lanes": 8, "teams": 8, "twins": 1},
        {
            "w": w,
            "x": np.eye(columns, dtype=np.float32),
            "y": np.full((columns, rows), np.nan, np.float32),
        },
        (-(-rows // 32), 1, 1),
        variant=variant,
        calls=calls,
    )["y"]
    return y.T


def read_embed(w: Weights) -> NDArray[np.float32]:
    """Weights as the embeddings of all tokens."""
    rows, columns = w.values.shape
    return run_kernel(
        "embed",
        {
            **w.params, "scale": 1.0, "piece_rows": rows, "rows": rows, "num_pieces": 1,
            "chained": False,
        },
        {
            "state": state(),
            "tokens": np.arange(rows, dtype=np.uint32),
            "x": np.full((rows, columns), np.nan, np.float32),
            "w0": w,
        },
        (rows, -(-columns // 512), 1),
    )["x"]  # fmt: skip


@pytest.mark.parametrize("storage", STORAGE_TYPES)
def test_embed(storage, blocks):
    planes = make_planes(storage, blocks)
    w = weights_of(storage, planes, K)
    check(read_embed(w), w.values, F32_ERROR * terms(storage, planes))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("storage", STORAGE_TYPES)
def test_matvec(storage, variant, blocks):
    planes = make_planes(storage, blocks)
    w = weights_of(storage, planes, K)
    check(read_matvec(w, variant), w.values, F32_ERROR * terms(storage, planes))


@pytest.mark.parametrize("variant", ["f32", "f16", "software"])
@pytest.mark.parametrize("storage", STORAGE_TYPES)
def test_matmul(storage, variant, blocks):
    planes = make_planes(storage, blocks)
    w = weights_of(storage, planes, K)
    bound = F32_ERROR * terms(storage, planes)
    if "f16" in variant:
        bound += F16_ERROR * np.abs(w.values) + F16_STEP
    check(read_matmul(w, variant), w.values, bound)


@pytest.mark.parametrize("storage", [name for name in STORAGE_TYPES if name != "f32"])
def test_the_matrices_have_small_numbers(storage, blocks):
    """Scales or weights that are float16-subnormal: what a GPU flushes if it may."""
    values = np.abs(weights_of(storage, make_planes(storage, blocks), K).values)
    assert ((values > 0) & (values < 2.0**-14)).sum() > 100


@pytest.mark.parametrize(
    ("read", "most"), [(read_embed, 255), (read_matvec, LAST_FINITE), (read_matmul, LAST_FINITE)]
)
def test_every_exponent_of_mxfp4(read, most):
    """All 16 codes with every exponent; infinite weights count where nothing multiplies them."""
    exponents = np.minimum(np.arange(256), most).astype(np.uint8)
    low = np.arange(16, dtype=np.uint8)
    block = low | low[::-1] << np.uint8(4)
    raw = np.concatenate([exponents[:, None], block[None].repeat(256, axis=0)], axis=1)
    planes = STORAGE_TYPES["mxfp4"].encode(np.concatenate([raw, raw], axis=1), 64)
    w = weights_of("mxfp4", planes, 64)
    got = read(w)
    finite = np.isfinite(w.values)
    np.testing.assert_array_equal(got[~finite], w.values[~finite])
    expected = w.values[finite]
    bound = np.where(np.abs(expected) < TINY, TINY, F32_ERROR * np.abs(expected))
    check(got[finite], expected, bound)
