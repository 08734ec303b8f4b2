"""The products of a self-test: of a few rows of the model's own weights, a matrix of each type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from webgemma import reference
from webgemma.architectures.decoder.kernels import (
    matmul_constants,
    matmul_dispatch,
    matmul_shape,
    matvec_constants,
    matvec_dispatch,
    matvec_shape,
    quantize_dispatch,
    storage_params,
)
from webgemma.architectures.weights import MatrixSource
from webgemma.pack import encode_rows
from webgemma.program.spec import Range
from webgemma.self_test.unfinished import TOKENS, Float32, SelfTest, redraw_near_ties
from webgemma.storage.layout import Matrix, plan_matrix
from webgemma.storage.types import Planes

ROWS = 64  # of every matrix
EPS = 1e-6
ACTIVATION = "gelu_tanh"


def smallest_of_each_type(sources: Sequence[Any]) -> list[MatrixSource]:
    """The matrix of the shortest rows of each storage type, of those that have enough rows."""
    chosen: dict[str, MatrixSource] = {}
    for source in sources:
        if not isinstance(source, MatrixSource) or source.matrix.rows < ROWS:
            continue
        kind = source.matrix.storage.name
        if kind not in chosen or source.matrix.in_features < chosen[kind].matrix.in_features:
            chosen[kind] = source
    return [chosen[kind] for kind in sorted(chosen)]


def add_products(
    test: SelfTest, source: MatrixSource, rng: np.random.Generator, *, is_int8: bool
) -> None:
    """Add the matrix-vector kernels and the matrix product of a storage type."""
    planes, values = first_rows(source)
    kind, k = source.matrix.storage.name, source.matrix.in_features
    matrix = plan_matrix(f"w.{kind}", source.matrix.storage, (ROWS, k))
    piece = matrix.pieces[0]
    x = rng.standard_normal((TOKENS, k)).astype(np.float32)
    if is_int8:
        redraw_near_ties(rng, x.reshape(TOKENS, -1, reference.INT8_GROUP_SIZE), np.asarray)
    gain = (1 + rng.standard_normal(k) / 8).astype(np.float32)
    bound = {
        "w": test.upload_matrix(matrix, planes),
        "x": test.upload(f"x.{kind}", x),
    }
    add_matmul(test, matrix, values, x, bound, is_int8=is_int8)
    params = storage_params(matrix, piece)
    params |= {**matvec_shape(ROWS, k), "eps": EPS}
    launch = test.builder.kernel(
        "matvec",
        f"self-test.matvec.{kind}",
        {**params, "norm": False, "n": ROWS, "mode": "store"},
        {**matvec_constants(k), "Y_START": 0},
    )
    rows = (matvec_dispatch(ROWS, k), 1, 1)
    y = test.expect(f"matvec.{kind}", reference.matvec(values, x[0]))
    test.builder.step("decode", f"matvec.{kind}", launch, {**bound, "y": y}, rows)
    launch = test.builder.kernel(
        "gate_up",
        f"self-test.gate_up.{kind}",
        {**params, "norm": True, "n": ROWS // 2, "activation": ACTIVATION},
        {**matvec_constants(k), "Y_START": 0},
    )
    h = test.expect(f"gate_up.{kind}", reference.gate_up(values, x[0], gain, EPS, ACTIVATION))
    gated = {**bound, "gain": test.upload(f"gain.{kind}", gain), "h": h}
    test.builder.step("decode", f"gate_up.{kind}", launch, gated, rows)


def add_matmul(
    test: SelfTest,
    matrix: Matrix,
    values: Float32,
    x: Float32,
    bound: Mapping[str, Range],
    *,
    is_int8: bool,
) -> None:
    """Add the matrix product of w and x that are bound, and what comes before it."""
    b, kind, k = test.builder, matrix.storage.name, matrix.in_features
    taken = dict(bound)
    if is_int8:
        taken["x"] = b.buffer(f"codes.{kind}", "scratch", x.size)
        taken["x_scale"] = b.buffer(f"scales.{kind}", "scratch", x.nbytes // 16)
        quantized = {"x": bound["x"], "codes": taken["x"], "scales": taken["x_scale"]}
        launch = b.kernel("quantize", "self-test.quantize", {"k": k})
        b.step("prefill", f"quantize.{kind}", launch, quantized, quantize_dispatch(k))
    params = {
        **storage_params(matrix, matrix.pieces[0]),
        **matmul_shape(ROWS, k),
        "n": ROWS,
        "mode": "store",
        "y_stride": ROWS,
        "softcap": 0.0,
        "activation": ACTIVATION,
        "int8": is_int8,
    }
    constants = {**matmul_constants(ROWS, k), "Y_START": 0}
    launch = b.kernel("matmul", f"self-test.matmul.{kind}", params, constants)
    seen = reference.int8_values(*reference.int8_codes(x)) if is_int8 else x
    y = test.expect(f"matmul.{kind}", reference.matmul(values, seen))
    taken |= {"state": Range("state"), "y": y}
    b.step("prefill", f"matmul.{kind}", launch, taken, matmul_dispatch(ROWS, k))


def first_rows(source: MatrixSource) -> tuple[Planes, Float32]:
    """The first rows of a matrix: planes [ROWS, row_nbytes], and float32 [ROWS, K]."""
    planes = encode_rows(source, 0, ROWS, lambda nbytes: None)
    return planes, source.matrix.storage.decode(planes, source.matrix.in_features)
