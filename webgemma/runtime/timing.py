"""Times dispatches on a device, looped until the clock can see them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import wgpu
from numpy.typing import NDArray

from webgemma.program.expr import evaluate
from webgemma.program.spec import Step
from webgemma.runtime.runner import Runner

LEAST_SECONDS = 0.03
"""Of one measured submission: far above the resolution of any clock and the cost of a submit."""
ROUND_SECONDS = 0.005
"""Likewise, where the least of many counts."""
MOST_LOOPS = 256

Record = Callable[[Any], None]
"""Records dispatches into a compute pass."""
BoundStep = tuple[Step, Any, Any]
"""A step, its pipeline and its bind group."""


def seconds_of(device: Any, record: Record, *, repeat: int) -> float:
    """Median time of what `record` records, looped within one submission.

    Args:
        device: An open device.
        record: Called once for every loop.
        repeat: Measured submissions; one more warms up.
    """
    mark = device.create_buffer(size=4, usage=wgpu.BufferUsage.COPY_SRC)
    loops = _enough_loops(device, record, mark, LEAST_SECONDS)
    return statistics.median(_submit(device, record, loops, mark) for _ in range(repeat)) / loops


def best_seconds(device: Any, records: Sequence[Record], *, repeat: int) -> list[float]:
    """The least time of each of some records, taken in turn so that all meet the same machine.

    Rounds are short and many: on a busy machine some of them are left alone.

    Args:
        device: An open device.
        records: Each called once for every loop; all are looped as often as the first needs.
        repeat: Rounds; one more warms up.
    """
    mark = device.create_buffer(size=4, usage=wgpu.BufferUsage.COPY_SRC)
    loops = _enough_loops(device, records[0], mark, ROUND_SECONDS)
    rounds = [
        [_submit(device, record, loops, mark) for record in records] for _ in range(repeat + 1)
    ]
    return [min(times) / loops for times in zip(*rounds[1:], strict=True)]


def _enough_loops(device: Any, record: Record, mark: Any, least: float) -> int:
    """How many loops take `least` seconds."""
    loops = 1
    while True:
        elapsed = _submit(device, record, loops, mark)
        if elapsed >= least or loops >= MOST_LOOPS:
            return loops
        loops = min(MOST_LOOPS, max(2 * loops, round(loops * least / max(elapsed, 1e-6))))


def _submit(device: Any, record: Record, loops: int, mark: Any) -> float:
    """Seconds from the submission of `loops` rounds to their end: a word is read after them."""
    encoder = device.create_command_encoder()
    compute = encoder.begin_compute_pass()
    for _ in range(loops):
        record(compute)
    compute.end()
    commands = encoder.finish()
    started = time.perf_counter()
    device.queue.submit([commands])
    device.queue.read_buffer(mark)
    return time.perf_counter() - started


def kernel_seconds(
    device: Any,
    code: str,
    arrays: Mapping[str, NDArray[Any]],
    types: Sequence[tuple[str, str]],
    workgroups: int,
    *,
    repeat: int,
) -> float:
    """Time of one dispatch of a kernel that belongs to no program.

    Args:
        device: An open device.
        code: WGSL.
        arrays: Contents of the bindings, by name.
        types: (name, WebGPU type) of the bindings, in order.
        workgroups: Of the dispatch, in x.
        repeat: Measured submissions.
    """
    pipeline = device.create_compute_pipeline(
        layout="auto",
        compute={"module": device.create_shader_module(code=code), "entry_point": "main"},
    )
    buffers = [
        device.create_buffer_with_data(data=arrays[name], usage=wgpu.BufferUsage.STORAGE)
        for name, _ in types
    ]
    group = device.create_bind_group(
        layout=pipeline.get_bind_group_layout(0),
        entries=[{"binding": i, "resource": {"buffer": b}} for i, b in enumerate(buffers)],
    )

    def record(compute: Any) -> None:
        compute.set_pipeline(pipeline)
        compute.set_bind_group(0, group)
        compute.dispatch_workgroups(workgroups, 1, 1)

    try:
        return seconds_of(device, record, repeat=repeat)
    finally:
        for buffer in buffers:
            buffer.destroy()


def steps_seconds(
    runner: Runner, phase: str, numbers: Sequence[int], symbols: Mapping[str, int], *, repeat: int
) -> float:
    """Time of some steps of a phase, one after the other: those of one kernel in all its layers.

    What they compute is nonsense, the steps between them being left out; how long it takes is not.
    """
    bound = [runner.steps[phase][number] for number in numbers]
    record = record_steps(bound, {**runner.symbols, **symbols})
    return seconds_of(runner.device, record, repeat=repeat)


def record_steps(bound: Sequence[BoundStep], symbols: Mapping[str, int]) -> Record:
    """Records steps with the dispatches that these symbols give."""
    sizes = [tuple(evaluate(size, symbols) for size in step.dispatch) for step, _, _ in bound]

    def record(compute: Any) -> None:
        for (_, pipeline, group), (x, y, z) in zip(bound, sizes, strict=True):
            compute.set_pipeline(pipeline)
            compute.set_bind_group(0, group)
            compute.dispatch_workgroups(x, y, z)

    return record
