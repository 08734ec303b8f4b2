"""The pipeline: open, lower, check, write the model's folder, and around it the site."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webgemma.architectures.lowered import Lowered
from webgemma.build.manifest import choose_context, shorter_context
from webgemma.build.opened import OpenedModel, open_model
from webgemma.build.request import ModelRequest
from webgemma.build.sizes import num_parameters, storage_nbytes, weights_nbytes
from webgemma.build.write_model import write_model
from webgemma.progress import Progress, no_progress
from webgemma.site import ModelWriter, SiteWriter
from webgemma.storage.quantize import KEEP


@dataclass(frozen=True, slots=True)
class SiteReport:
    """What a build made."""

    path: Path
    model_id: str
    name: str
    num_parameters: int
    source_nbytes: int
    weights_nbytes: int
    num_shards: int
    num_files: int
    duration_s: float
    context: dict[str, int]
    """Tokens: the page's "default", and "max", the most it takes."""
    storage: dict[str, int]
    """Storage type -> bytes."""
    program: dict[str, Any]
    """What the checker counted: dispatches per layer, the largest binding, ..."""
    warnings: list[str]
    """What the user should know of this build, a sentence or two each."""


def build_site(
    source: str | Path,
    out: str | Path,
    *,
    mmproj: str | Path | None = None,
    quantization: str = KEEP,
    embedding_quantization: str | None = None,
    model_id: str | None = None,
    name: str | None = None,
    chat_template: str | None = None,
    context_window_size: int | None = None,
    samples: str | Path | None = None,
    host: str = "any",
    weights_url: str | None = None,
    force: bool = False,
    progress: Progress = no_progress,
) -> SiteReport:
    """Package a checkpoint as a static site that runs it in the browser.

    Args:
        source: A .gguf file, a Hugging Face folder or an MLC folder.
        out: The site's folder; it appears complete, or not at all.
        mmproj: The .gguf file of the vision tower that belongs to a .gguf file of a text.
        quantization: "keep" the source's own codes, or make all matrices of one type
            (storage.quantize.QUANTIZERS).
        embedding_quantization: The same for the embedding and an output matrix of its own; as
            `quantization` by default.
        model_id: The model's folder in the site; made from its name by default.
        name: What people call it.
        chat_template: "gemma", "none" or a jinja file, in place of the source's own template.
        context_window_size: The context the page allocates by default.
        samples: A folder of PNG files that the page offers to a model that sees; by default
            `samples` in the source's folder.
        host: A static host whose limits the site must keep (webgemma.hosts).
        weights_url: Where the weights will lie, if not in the site: they are written into a
            folder beside it, for uploading there.
        force: Replace a site that is there.
        progress: Told of the stages reading, packing and hashing.

    Raises:
        WebGemmaError: something is wrong with the source, the request or the disk.
    """
    started = time.perf_counter()
    opened = open_model(
        ModelRequest(
            source,
            mmproj=mmproj,
            quantization=quantization,
            embedding_quantization=embedding_quantization,
            model_id=model_id,
            name=name,
            chat_template=chat_template,
            context_window_size=context_window_size,
            samples=samples,
        ),
        progress,
    )
    nbytes = weights_nbytes(opened.lowered)
    with SiteWriter(
        out, force=force, host=host, weights_url=weights_url, expected_nbytes=nbytes
    ) as site:
        model = write_model(site, opened, progress)
    duration_s = time.perf_counter() - started
    return report(opened, model, path=site.path, duration_s=duration_s)


def report(opened: OpenedModel, model: ModelWriter, *, path: Path, duration_s: float) -> SiteReport:
    """Say what became of a model."""
    checkpoint, lowered = opened.checkpoint, opened.lowered
    folder = tuple(model.hashed_folders)  # of the weights
    shards = [
        entry["nbytes"]
        for path, entry in model.files.items()
        if path.startswith(folder) and path.endswith(".bin")
    ]
    return SiteReport(
        path=path,
        model_id=model.id,
        name=model.name,
        num_parameters=num_parameters(lowered),
        source_nbytes=sum(path.stat().st_size for path in checkpoint.files),
        weights_nbytes=sum(shards),
        num_shards=len(shards),
        num_files=len(model.files),
        duration_s=duration_s,
        context=choose_context(lowered, opened.request.context_window_size),
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
