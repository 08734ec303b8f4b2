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
from webgemma.build.begun import Begun, begin
from webgemma.build.beside import Beside
from webgemma.build.request import ModelRequest
from webgemma.checkpoint import Checkpoint
from webgemma.errors import ConfigError
from webgemma.program.check import check, summarize
from webgemma.program.context import why_shorter
from webgemma.sources import join_mmproj, open_checkpoint

DEFAULT_CONTEXT = 4096


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A request, and what became of it before anything is written."""

    request: ModelRequest
    checkpoint: Checkpoint
    lowered: Lowered
    counted: Mapping[str, Any]
    """What the checker counted: dispatches per layer, the largest binding, ..."""
    context: dict[str, int]
    """Tokens: the page's "default", and "max", the most it takes."""
    begun: Begun | None = None
    """What was begun when the source was open; of a model that is not the next one, nothing."""

    @property
    def name(self) -> str:
        """What people call the model."""
        source = self.checkpoint
        return self.request.name or source.name or source.path.stem

    @property
    def id(self) -> str:
        """Its folder in the site."""
        return self.request.model_id or slug(self.name)


def open_model(request: ModelRequest, beside: Beside | None = None) -> OpenedModel:
    """Open a model's source and lower it.

    Args:
        request: What is asked for.
        beside: Where to begin what needs no program.

    Raises:
        WebGemmaError: the source is broken, or webgemma does not run it as asked.
    """
    checkpoint = read_checkpoint(Path(request.source), request.mmproj)
    begun = None if beside is None else begin(checkpoint, request, beside)
    lowered = lower(
        checkpoint,
        quantization=_storage_types(request),
        cache_quantization=request.cache_quantization,
        activation_quantization=request.activation_quantization,
    )
    counted = summarize(check(lowered.program, lowered.shaders))
    context = choose_context(lowered, request.context_window_size)
    return OpenedModel(request, checkpoint, lowered, counted, context, begun)


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


def shorter_context(lowered: Lowered) -> str | None:
    """Why the context is shorter than the model's own, if it is."""
    own = lowered.config.get("max_position_embeddings")
    return why_shorter(lowered.program.max_context_window_size, own)


def choose_context(lowered: Lowered, asked: int | None) -> dict[str, int]:
    """The context that the page allocates by default, and the most it takes.

    Raises:
        ConfigError: more was asked for, or nothing.
    """
    most = lowered.program.max_context_window_size
    chosen = min(DEFAULT_CONTEXT, most) if asked is None else asked
    if not 1 <= chosen <= most:
        why = shorter_context(lowered) or "the model's maximum"
        raise ConfigError(f"--context-window-size: got {chosen}, expected 1 to {most} ({why}).")
    return {"default": chosen, "max": most}
