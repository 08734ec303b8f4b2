"""`webgemma eval`: how well models predict a text."""

from __future__ import annotations

import json
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Annotated

import typer

from webgemma.cli import options
from webgemma.progress import ConsoleProgress, format_tokens, no_progress

EXAMPLES = """\b
Examples:
  webgemma eval site --text wiki.test.raw
  webgemma eval q4_0 q4_k q8_0 --text wiki.test.raw --reference model-F16.gguf
  webgemma eval q4_0 q8_0 --text a.txt --reference f16 --csv table.csv --picture table.svg
  webgemma eval q4_0 --text a.txt --reference f16 --record   the page shows it"""

Sites = Annotated[
    list[Path], typer.Argument(metavar="SITE", help="Folders that `webgemma build` wrote.")
]
Text = Annotated[Path, typer.Option("--text", metavar="FILE", help="The text to predict, UTF-8.")]
Reference = Annotated[
    Path | None,
    typer.Option(
        "--reference",
        metavar="SOURCE",
        help="Compare with this model: a site, or anything that `webgemma build` takes.",
    ),
]
Context = Annotated[
    int | None,
    typer.Option("--context", min=1, metavar="TOKENS", help="Tokens of a chunk; 512 by default."),
]
MostChunks = Annotated[
    int | None,
    typer.Option("--chunks", min=1, metavar="N", help="Use the first N chunks only."),
]
ControlTokens = Annotated[
    bool,
    typer.Option(
        "--control-tokens",
        help="Read <start_of_turn> and the like in the text as tokens, not as characters.",
    ),
]
CsvFile = Annotated[
    Path | None, typer.Option("--csv", metavar="FILE", help="Write the table as CSV too.")
]
Picture = Annotated[
    Path | None,
    typer.Option("--picture", metavar="FILE", help="Draw quality against size, as SVG."),
]
Record = Annotated[
    bool, typer.Option("--record", help="Put each result into its site; the page shows it.")
]


def evaluate(
    sites: Sites,
    text: Text,
    model: options.Model = None,
    reference: Reference = None,
    context: Context = None,
    chunks: MostChunks = None,
    control_tokens: ControlTokens = False,
    csv_file: CsvFile = None,
    picture: Picture = None,
    record: Record = False,
    variant: options.Variant = "auto",
    limits: options.Limits = "browser",
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Measure how well models predict a text.

    Perplexity is measured as llama-perplexity does: chunks of --context tokens, BOS before each,
    the second half of each scored. With a reference: the Kullback-Leibler divergence from it, and
    how often both find the same token likeliest.
    """
    from webgemma.evaluate import check_inputs, evaluate, record_quality, reference_site
    from webgemma.evaluate.chart import draw
    from webgemma.evaluate.report import as_csv, as_text
    from webgemma.evaluate.report import as_json as to_data

    for file in (csv_file, picture):
        options.check_folder_of(file)
    with ExitStack() as stack:
        site = None
        if reference is not None:
            check_inputs(
                sites,
                text,
                reference,
                model=model,
                context=context,
                control_tokens=control_tokens,
            )
            with nullcontext(no_progress) if quiet else ConsoleProgress() as progress:
                site = stack.enter_context(reference_site(reference, progress))
        counter = ConsoleProgress(amount=format_tokens)
        with nullcontext(no_progress) if quiet else counter as progress:
            evaluation = evaluate(
                sites,
                text,
                model=model,
                reference=site,
                context=context,
                most_chunks=chunks,
                control_tokens=control_tokens,
                variant=variant,
                limits=limits,
                progress=progress,
            )
    if csv_file is not None:
        csv_file.write_text(as_csv(evaluation), encoding="utf-8")
    if picture is not None:
        picture.write_text(draw(evaluation), encoding="utf-8")
    if record:
        record_quality(evaluation)
    if as_json:
        print(json.dumps(to_data(evaluation), ensure_ascii=False))
    else:
        print(as_text(evaluation))
