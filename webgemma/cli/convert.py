"""`webgemma convert`: a checkpoint becomes a folder of MLC weights."""

from __future__ import annotations

import dataclasses
import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from webgemma.cli import options
from webgemma.progress import ConsoleProgress, format_bytes, no_progress
from webgemma.table import format_table

if TYPE_CHECKING:
    from webgemma.mlc import MlcReport

EXAMPLES = """\b
Examples:
  webgemma convert ./gemma-2-2b-it -o gemma-2-2b-it-q4f16_1-MLC
  webgemma convert gemma-2b-F16.gguf -o gemma-2b-q4f32_1-MLC --quantization q4f32_1
  webgemma convert ./gemma-2b-q4f16_1-MLC -o gemma-2b-q0f16-MLC --quantization q0f16 --force"""

Source = Annotated[
    Path,
    typer.Argument(
        metavar="SOURCE",
        help="A .gguf file (the first of a split one), a Hugging Face folder or an MLC folder.",
    ),
]
Out = Annotated[
    Path, typer.Option("--output", "-o", metavar="DIR", help="The folder to be written.")
]
Quantization = Annotated[
    str,
    typer.Option(
        "--quantization",
        metavar="NAME",
        help="q0f16, q0f32, q3f16_0, q3f16_1, q4f16_0, q4f16_1, q4f16_2 or q4f32_1.",
    ),
]
ChatTemplate = Annotated[
    str | None,
    typer.Option(
        "--chat-template",
        metavar="FILE",
        help="A jinja2 chat template, or gemma, or none, in place of the model's own.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace MLC weights that are there.")]


def convert(
    source: Source,
    out: Out,
    quantization: Quantization = "q4f16_1",
    chat_template: ChatTemplate = None,
    force: Force = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Write a model as MLC weights.

    MLC and WebLLM load the folder with their own compiled library: its names, shards and codes are
    those that MLC's own tools write. The folder appears complete or not at all.
    """
    from webgemma.mlc import convert_to_mlc

    with nullcontext(no_progress) if quiet else ConsoleProgress() as progress:
        report = convert_to_mlc(
            source,
            out,
            quantization=quantization,
            chat_template=chat_template,
            force=force,
            progress=progress,
        )
    for warning in report.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if as_json:
        print(json.dumps(dataclasses.asdict(report), default=str))
    else:
        print(_describe(report))


def _describe(report: MlcReport) -> str:
    """Say in a few lines what was written."""
    return format_table(
        [
            ("folder", str(report.path)),
            ("model", f"{report.architecture}, {report.quantization}"),
            ("parameters", f"{report.num_parameters:,}"),
            ("source", format_bytes(report.source_nbytes)),
            ("weights", f"{format_bytes(report.weights_nbytes)}, shards: {report.num_shards}"),
            ("tensors", f"{report.num_tensors}"),
            ("files", f"{report.num_files}"),
            ("took", f"{report.duration_s:.1f} s"),
        ]
    )
