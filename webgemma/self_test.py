"""Makes a model's self-test: its kernels on a little of its weights, with the answers beside them.

A GPU's driver may compute wrong numbers without a word. So a site carries a second, small program
(self-test.json, as program.json, and self-test.bin) that uses the kernel templates and storage
types of the model at sizes of a few kilobytes. Both runners run it with the variant they chose,
before any weights are fetched, and compare what comes out with the float64 answers stored here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from webgemma import reference
from webgemma.architectures.decoder.attention import SPLIT_CONSTANTS, SPLIT_KEYS
from webgemma.architectures.decoder.cache import Cache
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
from webgemma.architectures.run_quantization import NONE, RunQuantization
from webgemma.architectures.weights import MatrixSource
from webgemma.pack import encode_rows
from webgemma.program.builder import ProgramBuilder
from webgemma.program.spec import Place, Program, Range
from webgemma.storage.layout import Matrix, plan_matrix, plan_records
from webgemma.storage.types import Planes

ROWS = 64  # of every matrix
TOKENS = 9  # of the prefill, and keys of the decode step after it
HEADS, KV_HEADS, HEAD_DIM = 4, 2, 64
EPS = 1e-6
ACTIVATION = "gelu_tanh"
SCALE = HEAD_DIM**-0.5
FACTORS = 10_000.0 ** (-2 * np.arange(HEAD_DIM // 2) / HEAD_DIM)
MAX_ERROR = {"f32": 1e-8, "f16": 1e-4}
"""|got - expected|^2 / |expected|^2 that is let pass. Right kernels are below 1e-10 and 1e-5; a
wrong lane, scale or block is above 1e-3."""
RUNS = (
    {"phase": "prefill", "num_tokens": TOKENS, "position": 0},
    {"phase": "decode", "num_tokens": 1, "position": TOKENS - 1},
)

TIE_MARGIN = 1e-3
"""Of a code: what the test rounds to 8 bits is further than that from where two codes are as near,
so that a kernel's last bits do not decide."""

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


@dataclass(slots=True)
class SelfTest:
    """A self-test under construction, and then what is written into a model's folder."""

    builder: ProgramBuilder = field(default_factory=ProgramBuilder)
    data: bytearray = field(default_factory=bytearray)
    """self-test.bin: inputs and answers, one after another."""
    records: dict[str, dict[str, int]] = field(default_factory=dict)
    """Record -> its bytes in `data`."""
    checks: list[dict[str, Any]] = field(default_factory=list)
    """Output buffer -> where its answer, float32, lies in `data`."""
    program: Program | None = None

    def upload(self, name: str, array: NDArray[Any]) -> Range:
        """Declare a buffer that is filled with an array."""
        self.builder.buffer(name, "weights", array.nbytes)
        self.builder.records[name] = Place(name)
        self.records[name] = self._store(array)
        return Range(name)

    def upload_matrix(self, matrix: Matrix, planes: Planes) -> Range:
        """Declare the buffer of a matrix of one piece, filled with its planes."""
        self.builder.weights(matrix)
        for _, records in plan_records(matrix):
            shared = [np.frombuffer(r.content, np.uint8) for r in records if r.content is not None]
            for record, plane in zip(records, (*planes, *shared), strict=True):
                self.records[record.name] = self._store(plane)
        return Range(matrix.pieces[0].buffer)

    def expect(self, name: str, values: NDArray[np.floating]) -> Range:
        """Declare an output buffer and what it should hold in the end."""
        expected = values.astype(np.float32)
        self.builder.buffer(name, "output", expected.nbytes)
        self.checks.append({"buffer": name, **self._store(expected)})
        return Range(name)

    def _store(self, array: NDArray[Any]) -> dict[str, int]:
        place = {"offset": len(self.data), "nbytes": array.nbytes}
        self.data += np.ascontiguousarray(array).tobytes()
        return place

    @property
    def shaders(self) -> dict[str, str]:
        """File -> WGSL text."""
        return self.builder.shaders

    def to_json(self) -> dict[str, Any]:
        """The content of self-test.json."""
        assert self.program is not None
        facts = {"records": self.records, "runs": RUNS, "checks": self.checks}
        return {**self.program.to_json(), "self_test": {**facts, "max_error": MAX_ERROR}}


def make_self_test(sources: Sequence[Any], run_quantization: RunQuantization) -> SelfTest:
    """Make the self-test of a model from its weights' sources, and what it runs with in 8 bits."""
    test = SelfTest()
    rng = np.random.default_rng(11)
    for source in smallest_of_each_type(sources):
        add_products(test, source, rng, is_int8=run_quantization.activations != NONE)
    add_attention(test, rng, Cache(run_quantization.cache, KV_HEADS, HEAD_DIM))
    test.program = test.builder.finish(
        architecture="self-test",
        prefill_chunk_size=TOKENS,
        logits_chunk_size=1,
        vocab_size=1,
        max_context_window_size=TOKENS,
        generated_ring_size=1,
        num_hidden_layers=1,
    )
    return test


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
    params |= {**matvec_shape(ROWS), "eps": EPS}
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


def redraw_near_ties(
    rng: np.random.Generator, x: Float32, seen: Callable[[Float32], NDArray[np.floating]]
) -> None:
    """Draw vectors x [..., D] again where `seen` of them, [..., D], is near a tie of two codes."""
    while (near := reference.distance_to_tie(seen(x)).min(axis=-1) < TIE_MARGIN).any():
        x[near] = rng.standard_normal((near.sum(), x.shape[-1]))


def first_rows(source: MatrixSource) -> tuple[Planes, Float32]:
    """The first rows of a matrix: planes [ROWS, row_nbytes], and float32 [ROWS, K]."""
    planes = encode_rows(source, 0, ROWS, lambda nbytes: None)
    return planes, source.matrix.storage.decode(planes, source.matrix.in_features)


def draw_heads(rng: np.random.Generator, cache: Cache) -> tuple[Float32, Float64, Float64, Float64]:
    """Draw projected heads, and say what attention gets of them.

    Returns:
        qkv [TOKENS, HEADS + 2 KV_HEADS, HEAD_DIM], and from it rotated and scaled queries, and keys
        and values as the caches give them back.
    """
    shape = (TOKENS, HEADS + 2 * KV_HEADS, HEAD_DIM)
    positions = np.arange(TOKENS)

    def turned(qkv: Float32) -> Float64:
        rotated, values = np.split(qkv, (HEADS + KV_HEADS,), axis=1)
        return np.concatenate([reference.rope(rotated, positions, FACTORS), values], axis=1)

    qkv = rng.standard_normal(shape).astype(np.float32)
    if cache.is_quantized:
        redraw_near_ties(rng, qkv, turned)
    queries, kept = np.split(turned(qkv), (HEADS,), axis=1)
    if cache.is_quantized:
        kept = reference.int8_values(*reference.int8_codes(kept))
    return qkv, queries * SCALE, *np.split(kept, 2, axis=1)


def add_attention(test: SelfTest, rng: np.random.Generator, cache: Cache) -> None:
    """Add rotation, cache writes and attention: of a chunk, and of its last token by itself."""
    b, state = test.builder, Range("state")
    qkv, queries, keys, values = draw_heads(rng, cache)
    init = {"op": "cos_sin", "factors": FACTORS.tolist()}
    caches = {f"{name}_cache": b.buffer(f"cache.{name}", "cache", cache.nbytes) for name in "kv"}
    q_nbytes = 4 * HEADS * HEAD_DIM
    bound = {
        "state": state,
        "qkv": test.upload("qkv", qkv),
        "rope": b.buffer("rope", "table", f"context_window_size * {4 * HEAD_DIM}", init),
        "q": b.buffer("q", "scratch", TOKENS * q_nbytes),
        **caches,
    }
    params: Mapping[str, Any] = {
        "head_dim": HEAD_DIM,
        "q_heads": HEADS,
        "kv_heads": KV_HEADS,
        "scale": SCALE,
        "norm": False,
        "cache": cache.quantization,
    }
    launch = b.kernel("rope_append", "self-test.rope_append", params)
    b.step("prefill", "rope_append", launch, bound, (qkv.shape[1], "num_tokens", 1))

    expected = reference.attention(queries, keys, values, position=0)
    params = {
        "head_dim": HEAD_DIM,
        "heads": HEADS,
        "kv_heads": KV_HEADS,
        "window": 0,
        "softcap": 0.0,
        "split_keys": SPLIT_KEYS,
        "cache": cache.quantization,
    }
    group = HEADS // KV_HEADS
    launch = b.kernel(
        "attention", "self-test.attention", {**params, "split": False, "row_vectors": 2}
    )
    bound = {"state": state, "q": Range("q"), **caches, "y": test.expect("attention", expected)}
    tiles = f"ceil_div(num_tokens * {group}, 8)"
    b.step("prefill", "attention", launch, bound, (tiles, KV_HEADS, 1))

    launch = b.kernel(
        "attention",
        "self-test.attention_split",
        {**params, "split": True, "row_vectors": 1},
        SPLIT_CONSTANTS,
    )
    parts = {
        "state": state,
        "partial": b.buffer("partial", "scratch", 2 * q_nbytes),
        "maxima": b.buffer("maxima", "scratch", 2 * 4 * HEADS * 2),
    }
    last = Range("q", (TOKENS - 1) * q_nbytes, q_nbytes)
    splits = "ceil_div(position + 1, attention_split_keys)"
    bound = {**parts, "q": last, **caches}
    b.step("decode", "attention_split", launch, bound, (splits, KV_HEADS, -(-group // 4)))
    merge = {key: params[key] for key in ("head_dim", "heads", "window", "split_keys")}
    launch = b.kernel("attention_combine", "self-test.attention_combine", merge, SPLIT_CONSTANTS)
    y = test.expect("attention_combine", expected[-1])
    b.step("decode", "attention_combine", launch, {**parts, "y": y}, (HEADS, 1, 1))
