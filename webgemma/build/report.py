"""What a build made, for people and for scripts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webgemma.architectures.lowered import Lowered
from webgemma.build.opened import OpenedModel, shorter_context
from webgemma.build.sizes import num_parameters, storage_nbytes
from webgemma.site import ModelWriter


@dataclass(frozen=True, slots=True)
class ModelReport:
    """What became of one model."""

    id: str
    name: str
    num_parameters: int
    source_nbytes: int
    weights_nbytes: int
    num_shards: int
    num_files: int
    context: dict[str, int]
    """Tokens: the page's "default", and "max", the most it takes."""
    storage: dict[str, int]
    """Storage type -> bytes."""
    program: dict[str, Any]
    """What the checker counted: dispatches per layer, the largest binding, ..."""
    warnings: list[str]
    """What the user should know of this model, a sentence or two each."""


@dataclass(frozen=True, slots=True)
class SiteReport:
    """What a build made."""

    path: Path
    models: list[ModelReport]
    """In the order of the page's list."""
    warnings: list[str]
    """What the user should know of the page."""
    duration_s: float


def report_model(opened: OpenedModel, written: ModelWriter) -> ModelReport:
    """Say what became of a model."""
    lowered = opened.lowered
    folder = tuple(written.hashed_folders)  # of the weights
    shards = [
        entry["nbytes"]
        for path, entry in written.files.items()
        if path.startswith(folder) and path.endswith(".bin")
    ]
    return ModelReport(
        id=written.id,
        name=written.name,
        num_parameters=num_parameters(lowered),
        source_nbytes=sum(path.stat().st_size for path in opened.checkpoint.files),
        weights_nbytes=sum(shards),
        num_shards=len(shards),
        num_files=len(written.files),
        context=opened.context,
        storage=storage_nbytes(lowered),
        program=dict(opened.counted),
        warnings=warnings(lowered),
    )


def warnings(lowered: Lowered) -> list[str]:
    """What the user should know of a build."""
    found = []
    if shorter := shorter_context(lowered):
        found.append(f"The context is {shorter}.")
    if not lowered.requantized:
        return found
    counts = ", ".join(f"{count} of {kind}" for kind, count in lowered.requantized.items())
    return [
        *found,
        f"{sum(lowered.requantized.values())} tensors were quantized already ({counts}): "
        "quantizing them again adds to their error. Build from F16 or BF16 weights, or keep "
        "the file's own types.",
    ]
