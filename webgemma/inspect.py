"""What a site or a checkpoint holds, as tables for people and as JSON for scripts."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webgemma.errors import FormatError
from webgemma.layout import INDEX, MANIFEST, PROGRAM, find_model, read_json, read_manifest
from webgemma.program.check import Report, check
from webgemma.program.spec import Program, program_from_json
from webgemma.progress import format_bytes
from webgemma.table import format_table

LONGEST_VALUE = 72
"""Characters of a metadata value that are shown."""
MOST_VALUES = 8
"""A list with more is shown by its length."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What there is to say: sections of text, and the same as JSON."""

    sections: tuple[tuple[str, str], ...]
    """Title and text of each."""
    data: Mapping[str, Any]

    def as_text(self) -> str:
        """Return the sections, each under its title."""
        return "\n\n".join(f"{title}\n{text}" for title, text in self.sections if text)


def is_site(path: Path) -> bool:
    """Return whether `path` is a site, or the folder of one of its models."""
    return (path / INDEX).is_file() or (path / MANIFEST).is_file()


def model_folder(path: Path, model: str | None) -> Path:
    """Return the folder of a model, given a site or that folder itself."""
    return path if (path / MANIFEST).is_file() else find_model(path, model)


def describe_site(path: Path, model: str | None = None) -> Facts:
    """Describe a site's model by its manifest.

    Raises:
        FormatError: the manifest is broken.
    """
    folder = model_folder(path, model)
    manifest = read_manifest(folder)
    try:
        return Facts(_manifest_sections(manifest), manifest)
    except (KeyError, TypeError, AttributeError) as error:
        raise FormatError(
            f"{folder / MANIFEST}: got no usable {error}. Build the site again."
        ) from error


def _manifest_sections(manifest: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Lay out what a manifest says."""
    weights, memory, context = manifest["weights"], manifest["memory"], manifest["context"]
    files = manifest["files"]
    model = [
        ("id", manifest["id"]),
        ("name", manifest["name"]),
        ("architecture", manifest["architecture"]),
        ("parameters", f"{manifest['num_parameters']:,}"),
        ("vocabulary", f"{manifest['vocab_size']:,} tokens"),
        ("context", f"{context['default']:,} tokens, at most {context['max']:,}"),
        ("chat", "yes" if manifest.get("chat") else "no chat template"),
        ("source", f"{manifest['source']['name']} ({manifest['source']['format']})"),
        ("built by", manifest["tool"]),
        ("files", f"{len(files)}, {format_bytes(sum(f['nbytes'] for f in files.values()))}"),
    ]
    on_gpu = [
        ("weights", format_bytes(memory["weights_nbytes"])),
        ("cache", f"{format_bytes(memory['cache_nbytes_per_token'])} per token (f32)"),
        ("scratch", format_bytes(memory["scratch_nbytes"])),
    ]
    storage = format_table(
        [
            (kind, entry["matrices"], format_bytes(entry["nbytes"]))
            for kind, entry in manifest["storage"].items()
        ],
        header=("type", "matrices", "bytes"),
        right=(1, 2),
    )
    shards = f"{format_bytes(weights['nbytes'])}, shards: {weights['num_shards']}"
    return (
        ("Model", format_table(model)),
        *_quality_sections(manifest.get("quality")),
        (f"Storage ({shards})", storage),
        ("Memory on the GPU", format_table(on_gpu)),
        ("Limits needed", format_table(list(manifest["limits"].items()), right=(1,))),
    )


def _quality_sections(quality: Mapping[str, Any] | None) -> tuple[tuple[str, str], ...]:
    """Lay out what `webgemma eval --record` left, if it did."""
    if quality is None:
        return ()
    rows = [("perplexity", _estimate(quality["perplexity"]))]
    if "kl_divergence" in quality:
        far, reference = quality["kl_divergence"], quality["reference"]
        rows += [
            ("KL divergence", f"{_estimate(far)}, at most {far['maximum']:.4g}"),
            ("same top token", _estimate(quality["same_top"])),
            ("reference", f"{reference['name']} ({', '.join(reference['storage'])})"),
        ]
    where = f"{quality['scored_tokens']:,} tokens of {quality['text']['name']}"
    return ((f"Quality ({where}, context {quality['context']:,})", format_table(rows)),)


def _estimate(figure: Mapping[str, float]) -> str:
    """A figure and its standard error."""
    return f"{figure['value']:.4f} ± {figure['error']:.4f}"


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


def describe_source(path: Path) -> Facts:
    """Describe a checkpoint: its metadata and its tensors.

    Raises:
        WebGemmaError: it cannot be read.
    """
    from webgemma.sources import open_checkpoint

    checkpoint = open_checkpoint(path)
    tensors = [
        (tensor.name, tensor.type, " x ".join(map(str, tensor.shape)), format_bytes(tensor.nbytes))
        for tensor in checkpoint.tensors.values()
    ]
    metadata = {key: _shorten(value) for key, value in checkpoint.metadata.items()}
    nbytes = sum(tensor.nbytes for tensor in checkpoint.tensors.values())
    head = [
        ("name", checkpoint.name),
        ("format", checkpoint.format),
        ("architecture", checkpoint.architecture),
        ("tensors", f"{len(tensors)}, {format_bytes(nbytes)}"),
        ("chat template", "yes" if checkpoint.chat_template else "no"),
    ]
    sections = (
        ("Checkpoint", format_table(head)),
        ("Metadata", format_table(list(metadata.items()))),
        ("Tensors", format_table(tensors, header=("name", "type", "shape", "bytes"), right=(2, 3))),
    )
    data = {
        **dict(head),
        "metadata": metadata,
        "tensors": [
            {"name": t.name, "type": t.type, "shape": list(t.shape), "nbytes": t.nbytes}
            for t in checkpoint.tensors.values()
        ],
    }
    return Facts(sections, data)


def _shorten(value: object) -> str:
    """Return a metadata value on one line of bounded length."""
    if isinstance(value, Sized) and not isinstance(value, str | bytes) and len(value) > MOST_VALUES:
        return f"[{len(value)} values]"
    text = " ".join(str(value).split())
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 3] + "..."
