"""Times the matrix-vector kernel of every storage type beside numpy's float32 product.

    python bench/kernels.py [--rows 4096] [--columns 4096] [--variant subgroups] [--repeat 5]

One run measures all, so that the ratios hold whatever the machine does otherwise: for every repeat
each type and numpy once, then medians. A command buffer holds enough dispatches for about 50 ms.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import wgpu

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.support.gpu import VARIANTS, device, padded
from tests.support.weights import Weights, make_weights
from webgemma.architectures.decoder.kernels import WORKGROUP, matvec_lanes
from webgemma.runtime.device import choose_adapter
from webgemma.runtime.runner import DIRECTIVES
from webgemma.shaders import parse_bindings, render
from webgemma.storage.registry import STORAGE_TYPES


class Timed:
    """One kernel with its buffers; `seconds` is the time of one dispatch."""

    def __init__(self, weights: Weights, variant: str) -> None:
        """Compile the kernel for this matrix."""
        features = VARIANTS[variant]
        self.gpu = device(*features)
        rows, columns = weights.values.shape
        lanes = matvec_lanes(columns)
        params = {
            **weights.params,
            "lanes": lanes,
            "teams": WORKGROUP // lanes,
            "norm": False,
            "residual": False,
            "n": rows,
            "f16": "shader-f16" in features,
            "subgroups": "subgroups" in features,
        }
        wgsl = render("matvec", params)
        code = "".join(DIRECTIVES[feature] for feature in features) + wgsl
        self.pipeline = self.gpu.create_compute_pipeline(
            layout="auto",
            compute={"module": self.gpu.create_shader_module(code=code), "entry_point": "main"},
        )
        x = np.ones(columns, np.float32)
        arrays = {"w": weights.words, "x": x, "y": np.zeros(rows, np.float32)}
        usage = wgpu.BufferUsage.STORAGE | wgpu.BufferUsage.COPY_SRC
        self.buffers = {
            name: self.gpu.create_buffer_with_data(data=padded(array), usage=usage)
            for name, array in arrays.items()
        }
        self.group = self.gpu.create_bind_group(
            layout=self.pipeline.get_bind_group_layout(0),
            entries=[
                {"binding": i, "resource": {"buffer": self.buffers[b.name]}}
                for i, b in enumerate(parse_bindings(wgsl))
            ],
        )
        self.workgroups = -(-rows // (4 * WORKGROUP // lanes))
        self.count = 1
        self.count = max(1, round(0.05 / self.seconds()))

    def seconds(self) -> float:
        """Time of one dispatch, of `count` in a row."""
        encoder = self.gpu.create_command_encoder()
        compute = encoder.begin_compute_pass()
        compute.set_pipeline(self.pipeline)
        compute.set_bind_group(0, self.group)
        for _ in range(self.count):
            compute.dispatch_workgroups(self.workgroups)
        compute.end()
        started = time.perf_counter()
        self.gpu.queue.submit([encoder.finish()])
        self.gpu.queue.read_buffer(self.buffers["y"], 0, 16)
        return (time.perf_counter() - started) / self.count


def numpy_seconds(matrix: np.ndarray, x: np.ndarray) -> float:
    """Time of one float32 matrix-vector product."""
    started = time.perf_counter()
    for _ in range(5):
        matrix @ x
    return (time.perf_counter() - started) / 5


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument("--columns", type=int, default=4096)
    parser.add_argument("--variant", choices=VARIANTS, default="f32")
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args()
    shape = (arguments.rows, arguments.columns)
    matrix = np.random.default_rng(0).standard_normal(shape, np.float32)
    x = np.ones(arguments.columns, np.float32)
    kernels = {name: Timed(make_weights(name, *shape), arguments.variant) for name in STORAGE_TYPES}
    times: dict[str, list[float]] = {name: [] for name in ("numpy", *kernels)}
    for _ in range(arguments.repeat):
        times["numpy"].append(numpy_seconds(matrix, x))
        for name, kernel in kernels.items():
            times[name].append(kernel.seconds())
    report(times, shape)


def report(times: dict[str, list[float]], shape: tuple[int, int]) -> None:
    """Print one line per type."""
    info: Any = choose_adapter().info
    print(f"{info['device']} ({info['backend_type']}), {shape[0]} x {shape[1]}, medians")
    base = statistics.median(times["numpy"])
    print(f"{'type':10} {'bits':>6} {'ms':>8} {'weights/ns':>11} {'GB/s':>7} {'x numpy':>8}")
    for name, values in times.items():
        bits = 32.0 if name == "numpy" else STORAGE_TYPES[name].bits_per_weight
        median = statistics.median(values)
        weights = shape[0] * shape[1] / median / 1e9
        print(
            f"{name:10} {bits:6.3f} {median * 1e3:8.2f} {weights:11.2f} {weights * bits / 8:7.2f} "
            f"{base / median:8.2f}"
        )


if __name__ == "__main__":
    main()
