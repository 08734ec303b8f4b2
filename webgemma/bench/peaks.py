"""What a device gives two plain kernels: a copy of memory, and multiply-adds in registers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from webgemma.shaders import parse_bindings, render

SIZE = 256  # invocations of a workgroup
COPIED_NBYTES = 64 << 20  # more than most caches hold, and within the default limits twice
EACH = 4  # accesses per invocation
CHAINS = 8  # enough to hide the latency of a multiply-add
ROUNDS = 256
WORKGROUPS = 1024
FLOPS_PER_ROUND = 2 * 4 * CHAINS  # of an invocation: multiply and add, four lanes of a vec4

KernelSeconds = Callable[[str, Mapping[str, NDArray[Any]], Sequence[tuple[str, str]], int], float]
"""Times one dispatch: WGSL, contents of its bindings, their (name, type) in order, workgroups."""


def copy_bandwidth(kernel_seconds: KernelSeconds) -> float:
    """Bytes per second, read and written, of a copy of 64 MiB."""
    x = np.zeros(COPIED_NBYTES // 4, np.uint32)
    workgroups = COPIED_NBYTES // 16 // (SIZE * EACH)
    params = {"each": EACH, "size": SIZE}
    seconds = _seconds(kernel_seconds, "bench_copy", params, {"x": x, "y": x}, workgroups)
    return 2 * COPIED_NBYTES / seconds


def multiply_add_rate(kernel_seconds: KernelSeconds) -> float:
    """Floating-point operations per second of f32 multiply-adds, each counted as two."""
    arrays = {
        "x": np.array([0.5, 1.0], np.float32),
        "y": np.zeros(WORKGROUPS * SIZE, np.float32),
    }
    params = {"chains": CHAINS, "rounds": ROUNDS, "size": SIZE}
    seconds = _seconds(kernel_seconds, "bench_multiply_add", params, arrays, WORKGROUPS)
    return FLOPS_PER_ROUND * ROUNDS * SIZE * WORKGROUPS / seconds


def _seconds(
    kernel_seconds: KernelSeconds,
    template: str,
    params: Mapping[str, int],
    arrays: Mapping[str, NDArray[Any]],
    workgroups: int,
) -> float:
    code = render(template, params)
    types = [(binding.name, binding.type) for binding in parse_bindings(code)]
    return kernel_seconds(code, arrays, types, workgroups)
