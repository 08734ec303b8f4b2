"""The pipeline: open and lower every model, then write their folders, and around them the site."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from webgemma.architectures.run_quantization import NONE
from webgemma.build.beside import Beside
from webgemma.build.opened import OpenedModel, open_model
from webgemma.build.report import ModelReport, SiteReport, report_model
from webgemma.build.request import ModelRequest
from webgemma.build.sizes import weights_nbytes
from webgemma.build.write_model import stage_nbytes, write_model
from webgemma.errors import ConfigError
from webgemma.progress import STAGES, Progress, no_progress
from webgemma.site import Branding, SiteWriter, check_branding, read_branding
from webgemma.storage.quantize import KEEP

Source = str | Path | ModelRequest


def build_site(
    source: Source | Sequence[Source],
    out: str | Path,
    *,
    mmproj: str | Path | None = None,
    quantization: str = KEEP,
    embedding_quantization: str | None = None,
    cache_quantization: str = NONE,
    activation_quantization: str = NONE,
    model_id: str | None = None,
    name: str | None = None,
    chat_template: str | None = None,
    context_window_size: int | None = None,
    samples: str | Path | None = None,
    host: str = "any",
    weights_url: str | None = None,
    structured_output: bool = False,
    branding: Branding | str | Path | None = None,
    force: bool = False,
    progress: Progress = no_progress,
) -> SiteReport:
    """Package checkpoints as a static site that runs them in the browser.

    Args:
        source: A .gguf file, a Hugging Face folder or an MLC folder; or several, which share a
            page. A `ModelRequest` has options of its own, in place of those below.
        out: The site's folder; it appears complete, or not at all.
        mmproj: The .gguf file of the vision tower that belongs to a .gguf file of a text.
        quantization: "keep" the source's own codes, or make all matrices of one type
            (storage.quantize.QUANTIZERS).
        embedding_quantization: The same for the embedding and an output matrix of its own; as
            `quantization` by default.
        cache_quantization: "none": keys and values are cached as f16 or f32, as the device has it;
            "q8": in 8 bits, with a scale for every 32.
        activation_quantization: "none": products of a chunk of tokens take floats; "q8": what they
            multiply the weights by is rounded to 8 bits, with a scale for every 32.
        model_id: The model's folder in the site; made from its name by default.
        name: What people call it.
        chat_template: "gemma", "none" or a jinja file, in place of the source's own template.
        context_window_size: The context the page allocates by default.
        samples: A folder of PNG files that the page offers to a model that sees; by default
            `samples` in the source's folder.
        host: A static host whose limits the site must keep (webgemma.hosts).
        weights_url: Where the weights will lie, if not in the site: they are written into a
            folder beside it, for uploading there.
        structured_output: With what holds replies to JSON in the page: 1.1 MB more, and its
            policy lets it compile WebAssembly (docs/structured.md).
        branding: The page's own title, accent, logo, greeting and prompts, or a TOML or JSON file
            of them.
        force: Replace a site that is there.
        progress: Told of the stages reading, packing and hashing.

    Raises:
        WebGemmaError: something is wrong with a source, the request or the disk.
    """
    started = time.perf_counter()
    if isinstance(branding, str | Path):
        branding = read_branding(branding)
    brand = None if branding in (None, Branding()) else check_branding(branding)
    sources = [source] if isinstance(source, Source) else source
    requests = [
        each
        if isinstance(each, ModelRequest)
        else ModelRequest(
            each,
            mmproj=mmproj,
            quantization=quantization,
            embedding_quantization=embedding_quantization,
            cache_quantization=cache_quantization,
            activation_quantization=activation_quantization,
            model_id=model_id,
            name=name,
            chat_template=chat_template,
            context_window_size=context_window_size,
            samples=samples,
        )
        for each in sources
    ]
    progress("reading", 0, 1)
    with Beside() as beside:
        opened = open_models(requests, beside)
        nbytes = sum(weights_nbytes(model.lowered) for model in opened)
        with SiteWriter(
            out,
            branding=brand,
            force=force,
            host=host,
            weights_url=weights_url,
            structured_output=structured_output,
            expected_nbytes=nbytes,
        ) as site:
            reports = write_models(site, opened, beside, progress)
    page_warnings = [] if brand is None else brand.warnings
    return SiteReport(site.path, reports, page_warnings, time.perf_counter() - started)


def open_models(requests: Sequence[ModelRequest], beside: Beside) -> list[OpenedModel]:
    """Open and lower every model before anything is written; of the first, more is begun.

    Raises:
        ConfigError: there is none, or two of them have one id.
        WebGemmaError: a source is broken, or webgemma does not run it as asked.
    """
    if not requests:
        raise ConfigError("source: got no model, expected at least one.")
    opened: dict[str, OpenedModel] = {}
    for request in requests:
        model = open_model(request, None if opened else beside)
        if (other := opened.get(model.id)) is not None:
            raise ConfigError(
                f"{request.source}: got model id {model.id!r}, which {other.request.source} has "
                "in this site too, expected one for each. Give every model its own --model-id."
            )
        opened[model.id] = model
    return list(opened.values())


def write_models(
    site: SiteWriter, opened: Sequence[OpenedModel], beside: Beside, progress: Progress
) -> list[ModelReport]:
    """Write the models' folders one after the other; to `progress`, they are one."""
    totals = {stage: sum(stage_nbytes(m)[stage] for m in opened) for stage in STAGES}
    before = dict.fromkeys(STAGES, 0)
    reports = []
    for model in opened:
        beside.told = _behind(before, totals, progress)
        written = write_model(site, model, beside)
        reports.append(report_model(model, written))
        before = {stage: before[stage] + nbytes for stage, nbytes in stage_nbytes(model).items()}
    return reports


def _behind(before: Mapping[str, int], totals: Mapping[str, int], progress: Progress) -> Progress:
    """Report the stages of one model as parts of those of all models."""

    def report(stage: str, done: int, total: int) -> None:
        progress(stage, before[stage] + done, totals[stage])

    return report
