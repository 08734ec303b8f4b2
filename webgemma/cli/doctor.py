"""`webgemma doctor`: what of webgemma will run on this machine."""

from __future__ import annotations

import dataclasses
import json

import typer

from webgemma.cli import options

EXAMPLES = """\b
Examples:
  webgemma doctor
  webgemma doctor --json"""


def doctor(as_json: options.Json = False, debug: options.Debug = False) -> None:
    """Show what of webgemma runs on this machine.

    The GPU adapters with their features and limits, the shaders that will be taken, a browser.

    Exits with 1 only if nothing can run here: neither natively nor in a browser.
    """
    from webgemma.doctor import describe, examine

    report = examine()
    print(json.dumps(dataclasses.asdict(report)) if as_json else describe(report))
    if not report.can_run:
        raise typer.Exit(1)
