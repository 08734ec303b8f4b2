"""What a program does: phases, dispatches, memory, limits; and whether it will run."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

from webgemma.errors import FormatError
from webgemma.inspect.facts import Facts
from webgemma.layout import PROGRAM, model_folder, read_json
from webgemma.program.check import Report, check
from webgemma.program.context import why_shorter
from webgemma.program.spec import Program, program_from_json
from webgemma.progress import format_bytes
from webgemma.table import format_table


def describe_program(path: Path, model: str | None = None) -> Facts:
    """Check the program of a site's model and say what the checker counted.

    Raises:
        FormatError: program.json or a shader is missing or broken.
        ProgramError: the program breaks a rule of WebGPU or one of its default limits.
    """
    folder = model_folder(path, model)
    program, shaders = read_program(folder)
    report = check(program, shaders)
    sections = (
        ("Program", _summary(program, report)),
        ("Phases (one dispatch is one kernel run)", _phase_table(program, report)),
        ("Kernels by template", _kernel_table(program)),
        (
            f"Buffers (f32, context {program.max_context_window_size:,})",
            _buffer_table(program, report),
        ),
    )
    return Facts(sections, {"report": dataclasses.asdict(report)})


def read_program(folder: Path) -> tuple[Program, dict[str, str]]:
    """Read program.json of a model's folder, and the text of every shader it names.

    Raises:
        FormatError: one is missing or broken.
    """
    path = folder / PROGRAM
    try:
        program = program_from_json(read_json(path))
        files = {s.file for kernel in program.kernels.values() for s in kernel.shaders.values()}
        return program, {file: (folder / file).read_text("utf-8") for file in sorted(files)}
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(
            f"{path}: got no program of this version ({error}). Build the site again."
        ) from error
    except OSError as error:
        raise FormatError(
            f"{error.filename}: cannot be read: {error.strerror}. Build the site again."
        ) from error


def run_rows(program: Program, report: Report, own_context: object) -> list[tuple[str, str]]:
    """How a program that passed the check will run, a row each.

    Args:
        program: The program.
        report: What the checker counted.
        own_context: The model's `max_position_embeddings`, if that is known.
    """
    most = program.max_context_window_size
    each = report.dispatches_per_layer
    layer = ", ".join(f"{each[p]} in {p}" for p in each if each[p])
    token = ", ".join(f"{n} in {phase}" for phase, n in report.dispatches.items())
    return [
        ("variants", ", ".join(variant.name for variant in program.variants)),
        ("kernels", f"{report.num_kernels}, in {report.num_shaders} shader files"),
        ("dispatches", token),
        ("at most per layer", layer),
        ("context", why_shorter(most, own_context) or f"at most {most:,} tokens"),
        ("limits", limits_text(report)),
    ]


def limits_text(report: Report) -> str:
    """What a program needs of the GPU; the check refuses what is beyond WebGPU's defaults."""
    return (
        f"within WebGPU's defaults: largest buffer {format_bytes(report.largest_buffer_nbytes)}, "
        f"largest binding {format_bytes(report.largest_binding_nbytes)}, "
        f"at most {report.most_storage_buffers} storage buffers"
    )


def _summary(program: Program, report: Report) -> str:
    return format_table(
        [
            ("architecture", program.architecture),
            ("layers", str(program.num_hidden_layers)),
            ("variants", ", ".join(variant.name for variant in program.variants)),
            ("kernels", f"{report.num_kernels}, in {report.num_shaders} shader files"),
            ("storage buffers", f"at most {report.most_storage_buffers} bound at once"),
            ("largest binding", f"{report.largest_binding_nbytes:,} bytes"),
            ("largest buffer", f"{report.largest_buffer_nbytes:,} bytes"),
        ]
    )


def _phase_table(program: Program, report: Report) -> str:
    rows = [
        (phase, report.dispatches.get(phase, 0), report.dispatches_per_layer.get(phase, 0))
        for phase in program.phases
    ]
    return format_table(rows, header=("phase", "dispatches", "most per layer"), right=(1, 2))


def _kernel_table(program: Program) -> str:
    kernels = Counter(kernel.template for kernel in program.kernels.values())
    steps = Counter(
        program.kernels[step.kernel].template for step in program.phases.get("decode", ())
    )
    rows = [(template, kernels[template], steps[template]) for template in sorted(kernels)]
    return format_table(rows, header=("template", "kernels", "dispatches of decode"), right=(1, 2))


def _buffer_table(program: Program, report: Report) -> str:
    counts = Counter(buffer.kind for buffer in program.buffers.values())
    rows = [
        (kind, counts[kind], f"{nbytes:,}") for kind, nbytes in sorted(report.buffer_nbytes.items())
    ]
    total = ("all", sum(counts.values()), f"{sum(report.buffer_nbytes.values()):,}")
    return format_table([*rows, total], header=("kind", "buffers", "bytes"), right=(1, 2))
