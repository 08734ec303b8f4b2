"""`webgemma inspect` and `webgemma estimate`: what a model is, whether it runs, what it takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from webgemma.cli import options

if TYPE_CHECKING:
    from webgemma.inspect import Facts

INSPECT_EXAMPLES = """\b
Examples:
  webgemma inspect site
  webgemma inspect site --program
  webgemma inspect model.gguf"""
ESTIMATE_EXAMPLES = """\b
Examples:
  webgemma estimate model.gguf
  webgemma estimate model.gguf --cache-quantization q8
  webgemma estimate site --context 2048"""

SiteOrSource = Annotated[
    Path, typer.Argument(metavar="SITE|SOURCE", help="A site, or a checkpoint.")
]


def inspect(
    path: SiteOrSource,
    model: options.Model = None,
    mmproj: options.Mmproj = None,
    program: Annotated[
        bool, typer.Option("--program", help="The program: phases, dispatches, memory, limits.")
    ] = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Show what a site or a checkpoint holds, and whether it will run."""
    from webgemma.inspect import describe_program, describe_site, describe_source
    from webgemma.layout import is_site

    if program:
        facts = describe_program(path, model)
    elif is_site(path):
        facts = describe_site(path, model)
    else:
        facts = describe_source(path, mmproj)
    _print(facts, as_json)


def estimate(
    path: SiteOrSource,
    model: options.Model = None,
    mmproj: options.Mmproj = None,
    cache_quantization: Annotated[
        str | None,
        typer.Option(
            "--cache-quantization",
            metavar="TYPE",
            help="Of a source: with keys and values cached as none (f16 or f32) or q8.",
        ),
    ] = None,
    context: Annotated[
        int | None,
        typer.Option(
            "--context",
            min=1,
            metavar="TOKENS",
            help="One context, in place of 1024, 4096, 8192 and the model's maximum.",
        ),
    ] = None,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Show the memory a model takes in the browser, by storage type and context."""
    from webgemma.inspect import estimate

    facts = estimate(
        path, model=model, mmproj=mmproj, cache_quantization=cache_quantization, context=context
    )
    _print(facts, as_json)


def _print(facts: Facts, as_json: bool) -> None:
    print(json.dumps(dict(facts.data), ensure_ascii=False) if as_json else facts.as_text())
