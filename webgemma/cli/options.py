"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from webgemma.errors import ConfigError

Site = Annotated[Path, typer.Argument(metavar="SITE", help="A folder that `webgemma build` wrote.")]
Model = Annotated[
    str | None,
    typer.Option("--model", metavar="ID", help="Which model, of a site that has several."),
]
Mmproj = Annotated[
    Path | None,
    typer.Option(
        "--mmproj", metavar="FILE", help="The .gguf file of the vision tower (PaliGemma)."
    ),
]
Variant = Annotated[
    str,
    typer.Option(
        "--variant", metavar="NAME", help="Shaders: auto, f32, f16, subgroups or f16+subgroups."
    ),
]
Limits = Annotated[
    str,
    typer.Option(
        "--limits", metavar="SET", help="browser (what a page gets) or adapter (all there is)."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
Host = Annotated[
    str,
    typer.Option(
        "--host",
        metavar="IP",
        help="Address to serve on. Other machines reach any but 127.0.0.1 and ::1.",
    ),
]
Port = Annotated[
    int | None,
    typer.Option(
        "--port", metavar="N", min=0, max=65535, help="The first free one from 8000 by default."
    ),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def check_folder_of(file: Path | None) -> None:
    """Refuse a file that could not be written, before the work is done.

    Raises:
        ConfigError: its folder does not exist.
    """
    if file is not None and not file.parent.is_dir():
        raise ConfigError(f"{file}: got no folder {file.parent}, expected one. Make it first.")
