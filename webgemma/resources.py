"""Finds the files that ship beside the code: shaders, web, and the built-in models.

In a wheel they lie under webgemma/_data/, in a checkout at the top level. The wheel's copy is
looked for first: a checkout has none.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from webgemma.errors import WebGemmaError

PACKAGE = Path(__file__).resolve().parent
BUILT_IN_MODEL = "pebble"
SEEING_MODEL = "opal"


def data_folder(name: Literal["shaders", "web", "models"]) -> Path:
    """Return the folder `name` of this installation.

    Raises:
        WebGemmaError: neither a wheel's nor a checkout's copy is there.
    """
    candidates = (PACKAGE / "_data" / name, PACKAGE.parent / name)
    for folder in candidates:
        if folder.is_dir():
            return folder
    raise WebGemmaError(
        f"webgemma is not completely installed: got no folder '{name}', expected it at "
        f"{candidates[0]} or {candidates[1]}. Reinstall webgemma."
    )


def built_in_model(name: str = BUILT_IN_MODEL) -> Path:
    """Return the checkpoint folder of a model that comes with webgemma.

    Raises:
        WebGemmaError: this installation has none.
    """
    folder = data_folder("models") / name / "checkpoint"
    if not (folder / "config.json").is_file():
        raise WebGemmaError(
            f"webgemma is not completely installed: got no built-in model {name!r}, expected "
            f"config.json in {folder}. Reinstall webgemma."
        )
    return folder
