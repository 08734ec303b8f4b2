"""What a checkpoint holds, and whether webgemma runs it; also for those that it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from webgemma.architectures import lower
from webgemma.architectures.lowered import Lowered
from webgemma.build.opened import read_checkpoint
from webgemma.build.sizes import num_parameters, storage_nbytes
from webgemma.checkpoint import Checkpoint
from webgemma.errors import WebGemmaError
from webgemma.inspect.facts import Facts, as_json, flatten, shorten
from webgemma.inspect.model import licence_row, model_rows, read_config
from webgemma.inspect.program import run_rows
from webgemma.inspect.tensors import TensorRow, tensor_data, tensor_sections
from webgemma.language import check_vocabulary, read_language
from webgemma.program.check import check, summarize
from webgemma.progress import format_bytes
from webgemma.table import format_table

Rows = list[tuple[str, str]]


def describe_source(path: Path, mmproj: Path | None = None) -> Facts:
    """Describe a checkpoint: what it is, its metadata and tensors, and whether it will run.

    Args:
        path: The checkpoint.
        mmproj: The .gguf file of its vision tower.

    Raises:
        WebGemmaError: it cannot be read.
    """
    checkpoint = read_checkpoint(path, mmproj)
    metadata = dict(flatten(checkpoint.metadata))
    tensors = [TensorRow(t.name, t.type, t.shape, t.nbytes) for t in checkpoint.tensors.values()]
    config, runs, run = _try(checkpoint)
    sections = (
        ("Checkpoint", format_table(_head(checkpoint))),
        ("What it is", format_table(model_rows(config))),
        ("Will it run?", format_table(runs)),
        ("Metadata", format_table([(key, shorten(value)) for key, value in metadata.items()])),
        *tensor_sections(tensors),
    )
    data = {
        **dict(_head(checkpoint)),
        "config": {key: as_json(value) for key, value in config.items()},
        "run": run,
        "metadata": {key: as_json(value) for key, value in metadata.items()},
        **tensor_data(tensors),
    }
    return Facts(sections, data)


def _head(checkpoint: Checkpoint) -> Rows:
    documents = {name: len(data) for name, data in checkpoint.licence_files.items()}
    nbytes = sum(path.stat().st_size for path in checkpoint.files)
    return [
        ("name", checkpoint.name),
        ("format", checkpoint.format),
        ("architecture", checkpoint.architecture),
        ("files", f"{len(checkpoint.files)}, {format_bytes(nbytes)}"),
        ("chat template", "yes" if checkpoint.chat_template else "no"),
        licence_row(checkpoint.metadata, documents),
    ]


def _try(checkpoint: Checkpoint) -> tuple[dict[str, Any], Rows, dict[str, Any]]:
    """(what the model is, whether it runs as rows, the same as JSON), by lowering it."""
    try:
        lowered = lower(checkpoint)
        report = check(lowered.program, lowered.shaders)
        check_vocabulary(checkpoint, read_language(checkpoint), lowered.program.vocab_size)
    except WebGemmaError as error:
        return (
            read_config(checkpoint),
            [("runs", f"no: {error}")],
            {"supported": False, "reason": str(error)},
        )
    own_context = lowered.config.get("max_position_embeddings")
    runs = run_rows(lowered.program, report, own_context)
    rows = [("runs", "yes"), *_stored(lowered), *runs]
    run = {"supported": True, "storage": storage_nbytes(lowered), **summarize(report)}
    return dict(lowered.config), rows, {**run, "num_parameters": num_parameters(lowered)}


def _stored(lowered: Lowered) -> Rows:
    sizes = storage_nbytes(lowered).items()
    return [
        ("parameters", f"{num_parameters(lowered):,}"),
        ("matrices", ", ".join(f"{kind} {format_bytes(nbytes)}" for kind, nbytes in sizes)),
    ]
