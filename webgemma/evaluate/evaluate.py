"""Evaluates one site or several on a text, beside a reference if there is one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from webgemma.build import build_site
from webgemma.evaluate.inputs import cut_text, site_reader
from webgemma.evaluate.logits_file import LogitsFile
from webgemma.evaluate.measure import Scores, measure
from webgemma.evaluate.scores import Divergence, Estimate, divergence, perplexity
from webgemma.evaluate.text import Chunks, Text, read_text
from webgemma.layout import is_site
from webgemma.progress import Progress, no_progress
from webgemma.runtime.session import open_session
from webgemma.runtime.shards import SiteModel, open_site_model


@dataclass(frozen=True, slots=True)
class Result:
    """What one model scored."""

    label: str
    """The site's folder, or the reference's file."""
    model: SiteModel
    variant: str
    perplexity: Estimate
    divergence: Divergence | None
    """From the reference; None without one, and for the reference itself."""

    @property
    def nbytes(self) -> int:
        """Bytes of the site's weights."""
        nbytes: int = self.model.manifest["weights"]["nbytes"]
        return nbytes


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All results on one text."""

    text: Text
    chunks: Chunks
    results: tuple[Result, ...]
    """In the order the sites were given."""
    reference: Result | None


@dataclass(frozen=True, slots=True)
class Settings:
    """How the models are run; the arguments of `evaluate`."""

    variant: str
    limits: str
    progress: Progress


def evaluate(
    sites: Sequence[str | Path],
    text: str | Path,
    *,
    model: str | None = None,
    reference: str | Path | None = None,
    context: int | None = None,
    most_chunks: int | None = None,
    control_tokens: bool = False,
    variant: str = "auto",
    limits: str = "browser",
    progress: Progress = no_progress,
) -> Evaluation:
    """Score sites on a text by llama-perplexity's protocol (webgemma.evaluate.text).

    Args:
        sites: Site folders, or folders of a model in one; one model of each is run.
        text: A UTF-8 file.
        model: Id of the model of each site; needed where a site has several.
        reference: The site the others are compared with; `reference_site` builds one.
        context: Tokens of a chunk; 512 by default.
        most_chunks: Use the first so many chunks only.
        control_tokens: `<start_of_turn>` and the like in the text are tokens, not characters.
        variant: Which shaders to run, as `open_session` takes it.
        limits: Which limits to ask for, as `open_session` takes it.
        progress: Told of the tokens of each model.

    Raises:
        ConfigError: the text is too short, a context too long, or the vocabularies differ.
        FormatError: a site or the text is damaged.
        GpuError: there is no adapter, or a model computes what is not finite.
    """
    models = [open_site_model(site, model) for site in sites]
    document = read_text(Path(text))
    base = None if reference is None else open_site_model(reference)
    readers = [site_reader(each) for each in [*models, *([base] if base else [])]]
    chunks = cut_text(
        readers, document, context=context, most=most_chunks, control_tokens=control_tokens
    )
    settings = Settings(variant, limits, progress)
    names = labels([Path(site) for site in sites])
    with ExitStack() as stack:
        first, logits = None, None
        if base is not None:
            logits = stack.enter_context(LogitsFile(chunks.num_scored, base.manifest["vocab_size"]))
            label = Path(str(reference)).resolve().name
            first = run_model(base, label, chunks, settings, keep=logits)
        results = tuple(
            replace(first, label=name)
            if first and first.model.folder.resolve() == each.folder.resolve()
            else run_model(each, name, chunks, settings, reference=logits)
            for name, each in zip(names, models, strict=True)
        )
    return Evaluation(document, chunks, results, first)


def run_model(
    model: SiteModel,
    label: str,
    chunks: Chunks,
    settings: Settings,
    *,
    keep: LogitsFile | None = None,
    reference: LogitsFile | None = None,
) -> Result:
    """Load one model, score it, and free it."""
    with open_session(
        model.folder,
        variant=settings.variant,
        limits=settings.limits,
        context_window_size=chunks.context,
    ) as session:
        scores = measure(session, chunks, label, settings.progress, keep=keep, reference=reference)
        return summarize(model, label, session.runner.variant.name, scores)


def summarize(model: SiteModel, label: str, variant: str, scores: Scores) -> Result:
    """The figures of one model."""
    has_reference = scores.divergences.size > 0
    return Result(
        label,
        model,
        variant,
        perplexity(scores.surprisals),
        divergence(scores.divergences, scores.is_same_top) if has_reference else None,
    )


@contextmanager
def reference_site(source: Path, progress: Progress = no_progress) -> Iterator[Path]:
    """The site of a reference: `source` itself, or one built of it and removed afterwards."""
    if is_site(source):
        yield source
        return
    with TemporaryDirectory(prefix="webgemma-reference-") as folder:
        site = Path(folder) / source.resolve().name.removesuffix(".gguf")
        build_site(source, site, progress=progress)
        yield site


def labels(paths: Sequence[Path]) -> list[str]:
    """Short names of paths: the last component, or the whole path where two share it."""
    names = [path.resolve().name for path in paths]
    return [
        name if names.count(name) == 1 else str(path)
        for name, path in zip(names, paths, strict=True)
    ]
