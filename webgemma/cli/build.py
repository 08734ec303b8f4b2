"""`webgemma build`: a checkpoint becomes a site."""

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
    from webgemma.build import SiteReport

EXAMPLES = """\b
Examples:
  webgemma build gemma-2-2b-it-Q4_K_M.gguf -o site
  webgemma build ./gemma-2b -o site --quantization q4f16_1 --embedding-quantization q8_0
  webgemma build model-00001-of-00003.gguf -o site --host cloudflare-pages --force
  webgemma build paligemma-text-f16.gguf --mmproj paligemma-mmproj-f16.gguf -o site"""


def build(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="A .gguf file (the first of a split one), a Hugging Face or an MLC folder.",
        ),
    ],
    out: Annotated[Path, typer.Option("--output", "-o", metavar="SITE", help="The site's folder.")],
    mmproj: options.Mmproj = None,
    quantization: Annotated[
        str,
        typer.Option(
            "--quantization",
            metavar="TYPE",
            help="How matrices are stored: keep (the file's own types), q4f16_1, q8_0, f16, ...",
        ),
    ] = "keep",
    embedding_quantization: Annotated[
        str | None,
        typer.Option(
            "--embedding-quantization",
            metavar="TYPE",
            help="The same for the embedding and the output matrix, where it is another.",
        ),
    ] = None,
    model_id: Annotated[
        str | None,
        typer.Option("--model-id", metavar="ID", help="The model's name in addresses."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="The model's name for people.")
    ] = None,
    chat_template: Annotated[
        str | None,
        typer.Option(
            "--chat-template",
            metavar="FILE",
            help="A jinja2 chat template, or gemma, or none, in place of the model's own.",
        ),
    ] = None,
    context_window_size: Annotated[
        int | None,
        typer.Option(
            "--context-window-size", min=1, metavar="TOKENS", help="The page's default context."
        ),
    ] = None,
    samples: Annotated[
        Path | None,
        typer.Option(
            "--samples",
            metavar="FOLDER",
            help="PNG files that the page offers to a model that sees; SOURCE/samples.",
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            "--host",
            metavar="HOST",
            help="Write for: any, github-pages, cloudflare-pages, netlify or hf-space.",
        ),
    ] = "any",
    weights_url: Annotated[
        str | None,
        typer.Option(
            "--weights-url",
            metavar="URL",
            help="Where the weights will lie; they go into SITE-weights, for uploading there.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a site that is there.")] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Package a model as a web site.

    The site is plain files: put the folder on any static host. Weights keep the codes and scales
    of the file unless --quantization says otherwise. The folder appears complete or not at all.
    """
    from webgemma.build import build_site

    with nullcontext(no_progress) if quiet else ConsoleProgress() as progress:
        report = build_site(
            source,
            out,
            mmproj=mmproj,
            quantization=quantization,
            embedding_quantization=embedding_quantization,
            model_id=model_id,
            name=name,
            chat_template=chat_template,
            context_window_size=context_window_size,
            samples=samples,
            host=host,
            weights_url=weights_url,
            force=force,
            progress=progress,
        )
    for warning in report.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if as_json:
        print(json.dumps(dataclasses.asdict(report), default=str))
    else:
        print(_describe(report))


def _describe(report: SiteReport) -> str:
    """Say in a few lines what was built."""
    storage = ", ".join(f"{kind} {format_bytes(n)}" for kind, n in report.storage.items())
    return format_table(
        [
            ("site", str(report.path)),
            ("model", f"{report.name} ({report.model_id})"),
            ("parameters", f"{report.num_parameters:,}"),
            ("source", format_bytes(report.source_nbytes)),
            ("weights", f"{format_bytes(report.weights_nbytes)}, shards: {report.num_shards}"),
            ("storage", storage),
            ("context", "{default:,} tokens, at most {max:,}".format_map(report.context)),
            ("files", f"{report.num_files}"),
            ("took", f"{report.duration_s:.1f} s"),
            ("next", f"webgemma serve {report.path}"),
        ]
    )
