"""Times the product of every storage type with a token, or several, beside numpy's of float32.

    python bench/kernels.py [--rows 4096] [--columns 4096] [--variant subgroups] [--repeat 5]
        [--types q4_0,q6_k] [--tokens 64] [--int8]

One run measures all: for every repeat each type and numpy twice, in random order; the second time
counts. Speeds and ratios are of the best repeat of each, since what else a shared machine does only
adds to a time; medians stand beside. A command buffer holds enough dispatches for about 50 ms.

With --int8 tokens come as codes: what a site with --activation-quantization q8 multiplies.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import wgpu
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.support.gpu import VARIANTS, device, padded, shape_of, state
from tests.support.weights import SOURCE_TYPES, Weights, make_weights
from webgemma.architectures.decoder.kernels import (
    matmul_constants,
    matmul_dispatch,
    matmul_shape,
    matvec_constants,
    matvec_dispatch,
    matvec_shape,
)
from webgemma.program.builder import variant_switches
from webgemma.program.expr import evaluate
from webgemma.program.spec import Size
from webgemma.runtime.device import choose_adapter
from webgemma.runtime.pipelines import DIRECTIVES
from webgemma.shaders import parse_bindings, render
from webgemma.sources.ggml_types import GGML_TYPES
from webgemma.storage.layout import Matrix
from webgemma.storage.registry import STORAGE_TYPES


@dataclass(frozen=True, slots=True)
class Product:
    """A kernel, and what it binds beside the matrix."""

    template: str
    params: Mapping[str, Any]
    constants: Mapping[str, Size]
    arrays: Mapping[str, NDArray[Any]]
    dispatch: tuple[Size, Size, Size]


def with_token(rows: int, columns: int) -> Product:
    """The matrix-vector product."""
    params = {**matvec_shape(rows, columns), "norm": False, "mode": "store", "n": rows}
    arrays = {"x": np.ones(columns, np.float32), "y": np.zeros(rows, np.float32)}
    dispatch = (matvec_dispatch(rows, columns), 1, 1)
    return Product("matvec", params, matvec_constants(columns), arrays, dispatch)


def with_tokens(rows: int, columns: int, tokens: int, *, is_int8: bool) -> Product:
    """The matrix product, of floats or of int8 codes."""
    params = {**matmul_shape(rows, columns), "n": rows, "mode": "store", "y_stride": rows}
    x: dict[str, NDArray[Any]] = {"x": np.ones((tokens, columns), np.float32)}
    if is_int8:
        x = {
            "x": np.ones((tokens, columns), np.int8),
            "x_scale": np.ones((tokens, columns // 16), np.float32),
        }
    arrays = {"state": state(num_tokens=tokens), **x, "y": np.zeros((tokens, rows), np.float32)}
    constants, dispatch = matmul_constants(rows, columns), matmul_dispatch(rows, columns)
    return Product("matmul", {**params, "int8": is_int8}, constants, arrays, dispatch)


class Timed:
    """One kernel with its buffers; `seconds` is the time of one dispatch."""

    def __init__(self, weights: Weights, variant: str, product: Product) -> None:
        """Compile the kernel for this matrix."""
        features = VARIANTS[variant].requires
        self.gpu = device(*features)
        params = {**weights.params, **product.params, **variant_switches(VARIANTS[variant])}
        wgsl = render(product.template, params)
        code = "".join(DIRECTIVES[feature] for feature in features) + wgsl
        symbols = VARIANTS[variant].symbols
        constants = {name: evaluate(size, symbols) for name, size in product.constants.items()}
        shape = shape_of(wgsl, product.template, params, constants)
        self.pipeline = self.gpu.create_compute_pipeline(
            layout="auto",
            compute={
                "module": self.gpu.create_shader_module(code=code),
                "entry_point": "main",
                "constants": constants,
            },
        )
        usage = wgpu.BufferUsage.STORAGE | wgpu.BufferUsage.UNIFORM | wgpu.BufferUsage.COPY_SRC
        self.buffers = {
            name: self.gpu.create_buffer_with_data(data=padded(array), usage=usage)
            for name, array in {**product.arrays, **shape}.items()
        }
        self.matrix = weights.write(self.gpu, VARIANTS[variant])
        self.group = self.gpu.create_bind_group(
            layout=self.pipeline.get_bind_group_layout(0),
            entries=[
                {
                    "binding": i,
                    "resource": self.matrix if b.name == "w" else {"buffer": self.buffers[b.name]},
                }
                for i, b in enumerate(parse_bindings(wgsl))
            ],
        )
        symbols = {**symbols, "num_tokens": len(product.arrays["x"])}
        self.workgroups = [evaluate(size, symbols) for size in product.dispatch]
        self.count = 1
        self.seconds()  # lavapipe compiles with the first dispatch
        for _ in range(2):  # what a submission costs is most of the first count's time
            self.count = max(1, round(0.05 / self.seconds()))

    def seconds(self) -> float:
        """Time of one dispatch, of `count` in a row."""
        encoder = self.gpu.create_command_encoder()
        compute = encoder.begin_compute_pass()
        compute.set_pipeline(self.pipeline)
        compute.set_bind_group(0, self.group)
        for _ in range(self.count):
            compute.dispatch_workgroups(*self.workgroups)
        compute.end()
        started = time.perf_counter()
        self.gpu.queue.submit([encoder.finish()])
        self.gpu.queue.read_buffer(self.buffers["y"], 0, 16)
        return (time.perf_counter() - started) / self.count


# OpenBLAS's threads wait for work in a loop before they sleep, 2^28 ticks of the processor's clock
# (its THREAD_TIMEOUT): a tenth of a second in which what comes next would have half of two cores.
NUMPY_THREADS_SPIN_SECONDS = 0.2


def numpy_seconds(matrix: np.ndarray, x: np.ndarray) -> float:
    """Time of one float32 product with x [columns, tokens]."""
    started = time.perf_counter()
    for _ in range(5):
        matrix @ x
    return (time.perf_counter() - started) / 5


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument("--columns", type=int, default=4096)
    parser.add_argument("--variant", choices=VARIANTS, default="lavapipe")
    parser.add_argument("--repeat", type=int, default=15)
    parser.add_argument("--tokens", type=int, default=1)
    parser.add_argument("--int8", action="store_true", help="activations in 8 bits, of tokens")
    parser.add_argument("--types", default=",".join(STORAGE_TYPES), help="separated by commas")
    arguments = parser.parse_args()
    shape = (arguments.rows, arguments.columns)
    matrix = np.random.default_rng(0).standard_normal(shape, np.float32)
    x = np.ones((arguments.columns, arguments.tokens), np.float32)
    product = with_token(*shape)
    if arguments.tokens > 1 or arguments.int8:
        product = with_tokens(*shape, arguments.tokens, is_int8=arguments.int8)
    made = {name: make_weights(name, *shape) for name in arguments.types.split(",")}
    kernels = {name: Timed(weights, arguments.variant, product) for name, weights in made.items()}
    times: dict[str, list[float]] = {name: [] for name in ("numpy", *kernels)}
    by_numpy = partial(numpy_seconds, matrix, x)
    order, rng = list(times), random.Random(0)
    for _ in range(arguments.repeat):
        rng.shuffle(order)
        for name in order:
            time_once = kernels[name].seconds if name in kernels else by_numpy
            time_once()  # processors that have slept are slow at first
            times[name].append(time_once())
            if name not in kernels:
                time.sleep(NUMPY_THREADS_SPIN_SECONDS)
    matrices = {name: weights.matrix for name, weights in made.items()}
    report(times, matrices, shape, arguments.tokens)


def file_bits(name: str) -> float:
    """Bits of a weight in a source file; MLC's types lie in files as in the site."""
    ggml = {kind.name: kind.block_nbytes / kind.block_size * 8 for kind in GGML_TYPES.values()}
    return ggml.get(SOURCE_TYPES.get(name, ""), STORAGE_TYPES[name].bits_per_weight)


def report(
    times: dict[str, list[float]],
    matrices: dict[str, Matrix],
    shape: tuple[int, int],
    tokens: int,
) -> None:
    """Print one line per type; x q4_0 is how much longer a weight takes than one of Q4_0."""
    info: Any = choose_adapter().info
    size = f"{shape[0]} x {shape[1]}, tokens: {tokens}, best of {len(times['numpy'])}"
    print(f"{info['device']} ({info['backend_type']}), {size}")
    base = min(times["numpy"])
    q4_0 = min(times["q4_0"]) if "q4_0" in times else math.nan
    header = (
        "file bits",
        "site bits",
        "median",
        "best",
        "macs/ns",
        "GB/s",
        "x numpy",
        "x q4_0",
    )
    print(f"{'type':10}" + "".join(f"{title:>11}" for title in header))
    num_weights = shape[0] * shape[1]
    for name, values in times.items():
        best = min(values)
        in_file, nbytes = 32.0, 4 * num_weights
        if name in matrices:
            in_file, nbytes = file_bits(name), matrices[name].nbytes
        row = (in_file, 8 * nbytes / num_weights, statistics.median(values) * 1e3, best * 1e3)
        row += (num_weights * tokens / best / 1e9, nbytes / best / 1e9, base / best, best / q4_0)
        print(f"{name:10}" + "".join(f"{value:11.3f}" for value in row))


if __name__ == "__main__":
    main()
