"""The options of `webgemma build`, and how those of a model are dealt out to several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from webgemma.site import Branding

LEFT_OUT = "-"
"""Stands where one of several models has no value of its own."""

Sources = Annotated[
    list[Path],
    typer.Argument(
        metavar="SOURCE",
        help="A .gguf file (the first of a split one), a Hugging Face or an MLC folder.",
    ),
]
Out = Annotated[Path, typer.Option("--output", "-o", metavar="SITE", help="The site's folder.")]
Mmproj = Annotated[
    list[Path] | None,
    typer.Option(
        "--mmproj", metavar="FILE", help="The .gguf file of the vision tower (PaliGemma)."
    ),
]
Quantization = Annotated[
    list[str] | None,
    typer.Option(
        "--quantization",
        metavar="TYPE",
        help="How matrices are stored: keep (the file's own types), q4f16_1, q8_0, f16, ...",
    ),
]
EmbeddingQuantization = Annotated[
    list[str] | None,
    typer.Option(
        "--embedding-quantization",
        metavar="TYPE",
        help="The same for the embedding and the output matrix, where it is another.",
    ),
]
CacheQuantization = Annotated[
    list[str] | None,
    typer.Option(
        "--cache-quantization",
        metavar="TYPE",
        help="How keys and values are cached: none (f16 or f32, as the device has it) or q8.",
    ),
]
ActivationQuantization = Annotated[
    list[str] | None,
    typer.Option(
        "--activation-quantization",
        metavar="TYPE",
        help="What prompts are multiplied as: none (floats) or q8 (8 bits, dot4I8Packed on GPUs).",
    ),
]
ModelId = Annotated[
    list[str] | None,
    typer.Option("--model-id", metavar="ID", help="The model's name in addresses."),
]
Name = Annotated[
    list[str] | None,
    typer.Option("--name", metavar="NAME", help="The model's name for people."),
]
ChatTemplate = Annotated[
    list[str] | None,
    typer.Option(
        "--chat-template",
        metavar="FILE",
        help="A jinja2 chat template, or gemma, or none, in place of the model's own.",
    ),
]
ContextWindowSize = Annotated[
    list[int] | None,
    typer.Option(
        "--context-window-size", min=1, metavar="TOKENS", help="The page's default context."
    ),
]
Samples = Annotated[
    list[Path] | None,
    typer.Option(
        "--samples",
        metavar="FOLDER",
        help="PNG files that the page offers to a model that sees; SOURCE/samples.",
    ),
]
Host = Annotated[
    str,
    typer.Option(
        "--host",
        metavar="HOST",
        help="Write for: any, github-pages, cloudflare-pages, netlify or hf-space.",
    ),
]
WeightsUrl = Annotated[
    str | None,
    typer.Option(
        "--weights-url",
        metavar="URL",
        help="Where the weights will lie; they go into SITE-weights, for uploading there.",
    ),
]
StructuredOutput = Annotated[
    bool,
    typer.Option(
        "--structured-output", help="With response_format in the page: JSON, held to a schema."
    ),
]
Title = Annotated[
    str | None, typer.Option("--title", metavar="TEXT", help="What the page is called.")
]
AccentColour = Annotated[
    str | None,
    typer.Option("--accent", metavar="COLOUR", help="The colour of its buttons: #2f6b56."),
]
LogoFile = Annotated[
    Path | None,
    typer.Option("--logo", metavar="FILE", help="PNG or SVG, in place of the page's own."),
]
Greeting = Annotated[
    str | None,
    typer.Option("--greeting", metavar="TEXT", help="Stands above an empty chat."),
]
Prompts = Annotated[
    list[str] | None,
    typer.Option("--prompt", metavar="TEXT", help="Something to ask; repeatable."),
]
BrandingFile = Annotated[
    Path | None,
    typer.Option(
        "--branding", metavar="FILE", help="These five from a TOML or JSON file; options win."
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace a site that is there.")]


def spread(
    sources: Sequence[Path],
    *,
    each: Mapping[str, Sequence[Any] | None],
    each_or_all: Mapping[str, Sequence[Any] | None],
) -> list[dict[str, Any]]:
    """Deal out the options of a model: the arguments of a ModelRequest for every source.

    Args:
        sources: The models.
        each: Option -> what was given for it; if anything, then one value for every source.
        each_or_all: The same for options of which one value may be for all sources.

    Raises:
        BadParameter: an option was given another number of times.
    """
    requests: list[dict[str, Any]] = [{"source": source} for source in sources]
    for name, given in {**each, **each_or_all}.items():
        values = list(given or ())
        if len(values) == 1 and name in each_or_all:
            values *= len(sources)
        if len(values) not in (0, len(sources)):
            option = f"--{name.replace('_', '-')}"
            expected = f"1 or {len(sources)}" if name in each_or_all else f"{len(sources)}"
            raise typer.BadParameter(
                f"{option}: got {len(values)} for {len(sources)} SOURCEs, expected {expected}, in "
                f"their order; {LEFT_OUT!r} leaves one out."
            )
        for request, value in zip(requests, values, strict=False):
            if str(value) != LEFT_OUT:
                request[name] = value
    return requests


def own_page(
    file: Path | None, *, prompts: Sequence[str] | None, **given: str | Path | None
) -> Branding:
    """The branding of a file, if there is one, and of the options, which win.

    Raises:
        ConfigError: the file is no branding.
    """
    from webgemma.site import Branding, read_branding

    found: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if prompts:
        found["prompts"] = tuple(prompts)
    return replace(Branding() if file is None else read_branding(file), **found)
