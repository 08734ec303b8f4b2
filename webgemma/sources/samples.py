"""Sample pictures of a model that sees: the PNG files in folder `samples` beside its weights."""

from __future__ import annotations

import re
from pathlib import Path

from webgemma.errors import ConfigError
from webgemma.sources.files import broken, read_small, shown
from webgemma.sources.png_file import check_png

FOLDER = "samples"
MAX_SAMPLES = 12
MAX_SAMPLE_NBYTES = 2 << 20
MAX_SIDE = 2048  # pixels
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")


def samples_beside(weights: Path) -> Path | None:
    """The folder of sample pictures in a model's folder, if it holds any."""
    folder = weights / FOLDER
    return folder if any(folder.glob("*.png")) else None


def read_samples(folder: Path) -> dict[str, bytes]:
    """Every PNG file of a folder, checked: name -> bytes, by name; other files are left out.

    Raises:
        ConfigError: there is no such folder, no picture in it, or too many.
        FormatError: one of them is damaged, too large, or has a name that no address can have.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder. Give one of PNG files.")
    paths = sorted(p for p in folder.iterdir() if p.suffix == ".png" and p.name[0] != ".")
    if not 1 <= len(paths) <= MAX_SAMPLES:
        raise ConfigError(
            f"{folder}: got {len(paths)} PNG files, expected 1 to {MAX_SAMPLES} sample pictures. "
            "Give a folder of those that the page should offer."
        )
    return {path.name: _read_sample(path) for path in paths}


def _read_sample(path: Path) -> bytes:
    """A picture's bytes."""
    if not _NAME.fullmatch(path.name):
        do = "Rename it."
        expected = "up to 64 letters, digits and ._-"
        raise broken(path.parent, "name of a sample picture", shown(path.name), expected, do=do)
    data = read_small(path, MAX_SAMPLE_NBYTES)
    check_png(data, path, max_side=MAX_SIDE)
    return data
