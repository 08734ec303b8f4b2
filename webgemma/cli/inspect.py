"""`webgemma inspect`: what a site holds and what its program does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from webgemma.cli import options

EXAMPLES = """\b
Examples:
  webgemma inspect site
  webgemma inspect site --program
  webgemma inspect model.gguf"""


def inspect(
    path: Annotated[Path, typer.Argument(metavar="SITE|SOURCE", help="A site, or a checkpoint.")],
    model: options.Model = None,
    program: Annotated[
        bool, typer.Option("--program", help="The program: phases, dispatches, memory, limits.")
    ] = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Show what a site or a checkpoint holds."""
    from webgemma.inspect import describe_program, describe_site, describe_source, is_site

    if program:
        facts = describe_program(path, model)
    elif is_site(path):
        facts = describe_site(path, model)
    else:
        facts = describe_source(path)
    print(json.dumps(dict(facts.data), ensure_ascii=False) if as_json else facts.as_text())
