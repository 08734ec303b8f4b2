"""Proves of a program what a browser would otherwise find out: bindings, limits, aliasing, shapes.

Everything is checked for every variant at the largest context, with as many tokens as a phase may
have. `webgemma inspect SITE --program` prints what was counted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from webgemma.errors import ProgramError
from webgemma.program.choices import Choice
from webgemma.program.expr import evaluate, names
from webgemma.program.spec import WEIGHTS, Program, Range, Size, Step, Variant

BINDING_NBYTES = 128 << 20  # maxStorageBufferBindingSize
BUFFER_NBYTES = 256 << 20  # maxBufferSize
STORAGE_BUFFERS = 8  # maxStorageBuffersPerShaderStage
WORKGROUPS = 65535  # maxComputeWorkgroupsPerDimension
UNIFORM_NBYTES = 64 << 10  # maxUniformBufferBindingSize
OFFSET_ALIGNMENT = 256  # minStorageBufferOffsetAlignment
DEFAULT_LIMITS = "WebGPU's default limit"

LAYER = re.compile(r"^layers\.(\d+)\.")


@dataclass(slots=True)
class Report:
    """What the checker counted."""

    buffer_nbytes: dict[str, int] = field(default_factory=dict)
    """Buffer kind -> bytes, f32 variant, largest context."""
    largest_buffer_nbytes: int = 0
    largest_binding_nbytes: int = 0
    most_storage_buffers: int = 0
    dispatches: dict[str, int] = field(default_factory=dict)
    """Phase -> dispatches."""
    dispatches_per_layer: dict[str, int] = field(default_factory=dict)
    """Phase -> the most dispatches of one layer."""
    num_kernels: int = 0
    num_shaders: int = 0


def check(program: Program, shaders: Mapping[str, str]) -> Report:
    """Check a program against WebGPU's rules and default limits.

    Raises:
        ProgramError: the first defect, with phase, step, kernel and binding.
    """
    report = Report(num_kernels=len(program.kernels), num_shaders=len(shaders))
    check_timed(program)
    for variant, choice in chosen_variants(program):
        chosen = {**variant.symbols, **choice}
        symbols = {
            **chosen,
            "context_window_size": program.max_context_window_size,
            "position": program.max_context_window_size - 1,
            "num_tokens": program.prefill_chunk_size,
        }
        sizes = check_buffers(program, symbols, report)
        for phase, steps in program.phases.items():
            for step in steps:
                if not choice or choice.keys() & symbols_of(step):
                    check_step(program, phase, step, sizes, _phase_symbols(phase, symbols), report)
        check_constants(program, chosen)
        check_choices(variant)
    check_kernels(program, shaders)
    check_records(program)
    count_dispatches(program, report)
    return report


def chosen_variants(program: Program) -> Iterator[tuple[Variant, Choice]]:
    """Every variant as it is, then with every other choice of every group."""
    for variant in program.variants:
        yield variant, {}
        for choices in variant.tuning.values():
            for choice in choices[1:]:
                yield variant, choice


def symbols_of(step: Step) -> set[str]:
    """The symbols that a step's dispatch and the ranges it binds depend on."""
    ranges = (bound.nbytes for bound in step.bindings if bound.nbytes is not None)
    return set().union(*(names(size) for size in (*step.dispatch, *ranges)))


def check_choices(variant: Variant) -> None:
    """Check that choices of a group set the same symbols, and that the first is the default."""
    for group, choices in variant.tuning.items():
        for choice in choices:
            if set(choice) != set(choices[0]):
                got, expected = sorted(choice), sorted(choices[0])
                msg = f"variant {variant.name}, tuning {group}: got {got}, expected {expected}"
                raise ProgramError(msg)
        default = {symbol: variant.symbols.get(symbol) for symbol in choices[0]}
        if default != choices[0]:
            msg = f"variant {variant.name}, tuning {group}: got {choices[0]} first"
            raise ProgramError(f"{msg}, expected what symbols has: {default}")


def check_timed(program: Program) -> None:
    """Check that the steps which a tuner times are there."""
    for group, timed in program.tuning.items():
        steps = program.phases.get(timed.phase, ())
        missing = [number for number in timed.steps if not 0 <= number < len(steps)]
        if missing or not timed.steps:
            msg = f"tuning {group}: got steps {list(timed.steps)} of phase {timed.phase}"
            raise ProgramError(f"{msg}, expected some of its {len(steps)}")


def _phase_symbols(phase: str, symbols: Mapping[str, int]) -> dict[str, int]:
    one = {"num_tokens": 1} if phase == "decode" else {}
    return {**symbols, **one}


def check_buffers(program: Program, symbols: Mapping[str, int], report: Report) -> dict[str, int]:
    """Check every buffer's size; returns name -> bytes."""
    sizes = {}
    totals: Counter[str] = Counter()
    for name, buffer in program.buffers.items():
        sizes[name] = evaluate(buffer.nbytes, symbols)
        totals[buffer.kind] += sizes[name]
        if not 0 < sizes[name] <= BUFFER_NBYTES:
            msg = (
                f"buffer {name}: got {sizes[name]:,} bytes, expected 1 to {BUFFER_NBYTES:,} "
                f"({DEFAULT_LIMITS})"
            )
            raise ProgramError(msg)
        report.largest_buffer_nbytes = max(report.largest_buffer_nbytes, sizes[name])
    report.buffer_nbytes = dict(totals)
    return sizes


def check_step(
    program: Program,
    phase: str,
    step: Step,
    sizes: Mapping[str, int],
    symbols: Mapping[str, int],
    report: Report,
) -> None:
    """Check one dispatch: its kernel, its bindings and how many workgroups it takes."""
    where = f"phase {phase}, step {step.label}, kernel {step.kernel}"
    kernel = program.kernels.get(step.kernel)
    if kernel is None:
        raise ProgramError(f"{where}: no such kernel")
    if len(step.bindings) != len(kernel.bindings):
        got, expected = len(step.bindings), len(kernel.bindings)
        raise ProgramError(f"{where}: got {got} bindings, expected {expected}")
    storage = sum(kind != "uniform" for _, kind in kernel.bindings)
    report.most_storage_buffers = max(report.most_storage_buffers, storage)
    if storage > STORAGE_BUFFERS:
        msg = f"{where}: got {storage} storage buffers, expected at most {STORAGE_BUFFERS}"
        raise ProgramError(f"{msg} ({DEFAULT_LIMITS})")
    for (name, kind), bound in zip(kernel.bindings, step.bindings, strict=True):
        nbytes = check_binding(f"{where}, binding {name}", kind, bound, sizes, symbols)
        report.largest_binding_nbytes = max(report.largest_binding_nbytes, nbytes)
    check_aliasing(where, kernel.bindings, step.bindings)
    for axis, size in zip("xyz", step.dispatch, strict=True):
        check_workgroups(f"{where}, dispatch {axis}", size, symbols)


def check_binding(
    where: str, kind: str, bound: Range, sizes: Mapping[str, int], symbols: Mapping[str, int]
) -> int:
    """Check that a range lies in its buffer and within the limits; returns its bytes."""
    if bound.buffer not in sizes:
        raise ProgramError(f"{where}: no buffer {bound.buffer!r}")
    whole = sizes[bound.buffer]
    nbytes = bound.bound_nbytes(whole, symbols)
    if bound.offset % OFFSET_ALIGNMENT:
        msg = f"{where}: got offset {bound.offset}, expected a multiple of {OFFSET_ALIGNMENT}"
        raise ProgramError(msg)
    if nbytes <= 0 or bound.offset + nbytes > whole:
        end = bound.offset + nbytes
        raise ProgramError(f"{where}: got bytes {bound.offset} to {end}, expected within {whole}")
    limit = UNIFORM_NBYTES if kind == "uniform" else BINDING_NBYTES
    if nbytes > limit:
        msg = f"{where}: got {nbytes:,} bytes, expected at most {limit:,} ({DEFAULT_LIMITS})"
        raise ProgramError(msg)
    return nbytes


def check_aliasing(
    where: str, bindings: tuple[tuple[str, str], ...], ranges: tuple[Range, ...]
) -> None:
    """Check that no buffer is bound writable and again in one dispatch."""
    writable = [
        r.buffer for (_, kind), r in zip(bindings, ranges, strict=True) if kind == "storage"
    ]
    bound = Counter(r.buffer for r in ranges)
    for buffer in writable:
        if bound[buffer] > 1:
            msg = f"{where}: buffer {buffer} is bound writable and {bound[buffer] - 1} times more"
            raise ProgramError(msg)


def check_workgroups(where: str, size: Size, symbols: Mapping[str, int]) -> None:
    """Check one dimension of a dispatch."""
    count = evaluate(size, symbols)
    if not 0 < count <= WORKGROUPS:
        msg = f"{where}: got {count} workgroups, expected 1 to {WORKGROUPS} ({DEFAULT_LIMITS})"
        raise ProgramError(msg)


def check_constants(program: Program, symbols: Mapping[str, int]) -> None:
    """Check that every override constant is a number of 32 bits."""
    for name, kernel in program.kernels.items():
        for constant, size in kernel.constants.items():
            value = evaluate(size, symbols)
            if not 0 <= value < 1 << 32:
                msg = f"kernel {name}: got constant {constant} = {value}, expected 0 to 2^32 - 1"
                raise ProgramError(msg)


def check_kernels(program: Program, shaders: Mapping[str, str]) -> None:
    """Check that every kernel has a shader text for every variant."""
    for name, kernel in program.kernels.items():
        for variant in program.variants:
            shader = kernel.shaders.get(variant.name)
            if shader is None or shader.file not in shaders:
                raise ProgramError(f"kernel {name}: no shader for variant {variant.name}")
            if set(shader.requires) - set(variant.requires):
                msg = f"kernel {name}: {shader.file} requires {shader.requires}, variant has fewer"
                raise ProgramError(msg)
    check_sharing(program)


def check_sharing(program: Program) -> None:
    """Check that kernels of one file, which share a pipeline, bind the same types."""
    types: dict[str, tuple[str, ...]] = {}
    for name, kernel in program.kernels.items():
        got = tuple(kind for _, kind in kernel.bindings)
        for shader in kernel.shaders.values():
            expected = types.setdefault(shader.file, got)
            if got != expected:
                msg = f"kernel {name}: {shader.file} binds {got}, expected {expected}"
                raise ProgramError(f"{msg}, as another kernel of that file")


def check_records(program: Program) -> None:
    """Check that every weights buffer is filled by records that lie inside it."""
    filled = set()
    for name, place in program.records.items():
        buffer = program.buffers.get(place.buffer)
        if buffer is None or buffer.kind not in WEIGHTS:
            raise ProgramError(f"record {name}: {place.buffer!r} is no buffer of weights")
        if place.offset % 4 or place.offset >= evaluate(buffer.nbytes, {}):
            raise ProgramError(f"record {name}: got offset {place.offset} in {place.buffer}")
        filled.add(place.buffer)
    for name, buffer in program.buffers.items():
        if buffer.kind in WEIGHTS and name not in filled:
            raise ProgramError(f"buffer {name}: no record of the tensor cache fills it")


def count_dispatches(program: Program, report: Report) -> None:
    """Count dispatches by phase and by layer."""
    for phase, steps in program.phases.items():
        report.dispatches[phase] = len(steps)
        layers = Counter(layer for step in steps for layer in layer_of(step))
        report.dispatches_per_layer[phase] = max(layers.values(), default=0)


def layer_of(step: Step) -> Iterator[int]:
    """The layer a step belongs to, if any, by its label `layers.<i>.<what>`."""
    if match := LAYER.match(step.label):
        yield int(match.group(1))


def summarize(report: Report) -> dict[str, Any]:
    """The numbers of a report, for JSON."""
    return {
        "dispatches": report.dispatches,
        "dispatches_per_layer": report.dispatches_per_layer,
        "num_kernels": report.num_kernels,
        "num_shaders": report.num_shaders,
        "most_storage_buffers": report.most_storage_buffers,
        "largest_binding_nbytes": report.largest_binding_nbytes,
        "largest_buffer_nbytes": report.largest_buffer_nbytes,
        "weights_nbytes": sum(report.buffer_nbytes.get(kind, 0) for kind in WEIGHTS),
        "scratch_nbytes": sum(
            report.buffer_nbytes.get(kind, 0) for kind in ("scratch", "output", "input", "state")
        ),
    }
