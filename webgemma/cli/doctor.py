"""`webgemma doctor`: what of webgemma will run on this machine."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from webgemma.cli import options

EXAMPLES = """\b
Examples:
  webgemma doctor
  webgemma doctor site
  webgemma doctor --json"""


def doctor(
    site: Annotated[
        Path | None,
        typer.Argument(metavar="[SITE]", help="Try the GPU with this site's self-test too."),
    ] = None,
    model: options.Model = None,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Show what of webgemma runs on this machine.

    The GPU adapters with their features and limits, the shaders that will be taken, a browser.

    Exits with 1 only if nothing can run here, neither natively nor in a browser, or if a kernel of
    SITE computes wrong numbers.
    """
    from webgemma.doctor import describe, describe_kernels, examine, try_kernels

    report = examine()
    kernels = [] if site is None else try_kernels(site, model)
    if as_json:
        tried = {} if site is None else {"kernels": [dataclasses.asdict(k) for k in kernels]}
        print(json.dumps({**dataclasses.asdict(report), **tried}))
    else:
        print(describe(report))
        if kernels:
            print("\n" + describe_kernels(kernels))
    if not report.can_run or not all(kernel.is_right for kernel in kernels):
        raise typer.Exit(1)
