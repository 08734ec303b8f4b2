"""`webgemma bench`: how fast a site runs here."""

from __future__ import annotations

import json
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from webgemma.cli import options
from webgemma.errors import ConfigError
from webgemma.progress import ConsoleProgress, no_progress

EXAMPLES = """\b
Examples:
  webgemma bench site
  webgemma bench site --prompts 128,512 --contexts 256,4096
  webgemma bench site --tune
  webgemma bench site --browser
  webgemma bench site --variant subgroups --picture kernels.svg --json"""

Prompts = Annotated[
    str | None,
    typer.Option("--prompts", metavar="N,N", help="Lengths of prompts; 16,128,512 by default."),
]
Contexts = Annotated[
    str | None,
    typer.Option(
        "--contexts", metavar="N,N", help="Tokens to decode behind; 16,256,1024 by default."
    ),
]
Repeat = Annotated[
    int, typer.Option("--repeat", min=1, metavar="N", help="Measurements of each figure.")
]
Browser = Annotated[
    bool,
    typer.Option("--browser", help="In this machine's Chromium, by playwright, not natively."),
]
Tune = Annotated[
    bool,
    typer.Option(
        "--tune", help="Instead, try the kernels' choices; later sessions here use the fastest."
    ),
]
Picture = Annotated[
    Path | None, typer.Option("--picture", metavar="FILE", help="Draw the kernels, as SVG.")
]


def bench(
    site: options.Site,
    model: options.Model = None,
    prompts: Prompts = None,
    contexts: Contexts = None,
    repeat: Repeat = 5,
    picture: Picture = None,
    browser: Browser = False,
    tune: Tune = False,
    variant: options.Variant = "auto",
    limits: options.Limits = "browser",
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Measure prompts, tokens and kernels on this machine's adapter, natively or in Chromium.

    Beside them stand what a plain copy and plain multiply-adds reach on it, so that the shares say
    what is left to gain.
    """
    from webgemma.bench import bench, bench_in_browser
    from webgemma.bench.chart import draw
    from webgemma.bench.report import as_json as to_data
    from webgemma.bench.report import as_text

    if tune:
        _refuse_with_tune(browser, prompts, contexts, picture)
        _print_tuned(site, model, variant, limits, repeat, is_json=as_json, is_quiet=quiet)
        return
    lengths = _numbers("--prompts", prompts)
    depths = _numbers("--contexts", contexts)
    options.check_folder_of(picture)
    if browser and limits != "browser":
        raise ConfigError(
            f"--limits: got {limits!r} with --browser, expected it left out: Chromium's own count."
        )
    run = bench_in_browser if browser else partial(bench, limits=limits)
    console = ConsoleProgress(amount="{} figures".format)
    with nullcontext(no_progress) if quiet else console as progress:
        result = run(
            site, model=model, variant=variant, prompts=lengths, contexts=depths, repeat=repeat,
            progress=progress,
        )  # fmt: skip
    if picture is not None:
        picture.write_text(draw(result), encoding="utf-8")
    print(json.dumps(to_data(result), ensure_ascii=False) if as_json else as_text(result))


def _refuse_with_tune(
    browser: bool, prompts: str | None, contexts: str | None, picture: Path | None
) -> None:
    """Refuse what --tune would ignore.

    Raises:
        ConfigError: one of them is there.
    """
    given = {
        "--browser": browser, "--prompts": prompts, "--contexts": contexts, "--picture": picture,
    }  # fmt: skip
    for option, value in given.items():
        if value:
            msg = f"--tune: got {option} beside it, expected it alone. Run the two one by one."
            if option == "--browser":
                msg = f"--tune: got {option} beside it; a page searches by itself, while it waits."
            raise ConfigError(msg)


def _print_tuned(
    site: Path, model: str | None, variant: str, limits: str, repeat: int,
    *, is_json: bool, is_quiet: bool,
) -> None:  # fmt: skip
    """Search, and print what was tried."""
    from webgemma.bench.tune import as_json, as_text, tune

    console = ConsoleProgress(amount="{} groups".format)
    with nullcontext(no_progress) if is_quiet else console as progress:
        tuned = tune(
            site, model=model, variant=variant, limits=limits, repeat=repeat, progress=progress
        )
    print(json.dumps(as_json(tuned), ensure_ascii=False) if is_json else as_text(tuned))


def _numbers(option: str, text: str | None) -> list[int] | None:
    """The numbers of `16,128`.

    Raises:
        ConfigError: it is no list of whole numbers.
    """
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        msg = f"{option}: got {text!r}, expected whole numbers with commas between, as 16,128."
        raise ConfigError(msg) from None
