"""A model that is ready to be written: its checkpoint is open, its program lowered and checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webgemma.architectures import lower
from webgemma.architectures.lowered import Lowered
from webgemma.architectures.weights import Quantization
from webgemma.build.request import ModelRequest
from webgemma.checkpoint import Checkpoint
from webgemma.program.check import check, summarize
from webgemma.sources import join_mmproj, open_checkpoint


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A request, and what became of it before anything is written."""

    request: ModelRequest
    checkpoint: Checkpoint
    lowered: Lowered
    counted: Mapping[str, Any]
    """What the checker counted: dispatches per layer, the largest binding, ..."""

    @property
    def name(self) -> str:
        """What people call the model."""
        source = self.checkpoint
        return self.request.name or source.name or source.path.stem

    @property
    def id(self) -> str:
        """Its folder in the site."""
        return self.request.model_id or slug(self.name)


def open_model(request: ModelRequest) -> OpenedModel:
    """Open a model's source and lower it.

    Raises:
        WebGemmaError: the source is broken, or webgemma does not run it as asked.
    """
    checkpoint = read_checkpoint(Path(request.source), request.mmproj)
    lowered = lower(checkpoint, quantization=_storage_types(request))
    counted = summarize(check(lowered.program, lowered.shaders))
    return OpenedModel(request, checkpoint, lowered, counted)


def _storage_types(request: ModelRequest) -> Quantization:
    """The storage types asked for."""
    layers, embedding = request.quantization, request.embedding_quantization
    return Quantization(layers, layers if embedding is None else embedding)


def read_checkpoint(source: Path, mmproj: str | Path | None = None) -> Checkpoint:
    """Open the source; its tensors are read later, while they are packed."""
    checkpoint = open_checkpoint(source)
    if mmproj is not None:
        checkpoint = join_mmproj(checkpoint, Path(mmproj))
    return checkpoint


def slug(name: str) -> str:
    """A model's id from its name: lower case, dashes, at most 64 characters."""
    cleaned = re.sub(r"[^a-z0-9._]+", "-", name.lower()).strip("-._")
    return cleaned[:64].rstrip("-._") or "model"
