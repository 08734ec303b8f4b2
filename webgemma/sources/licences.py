"""The licence, notices and card of a model, which must go wherever its weights go."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from webgemma.sources.files import read_small

MAX_LICENCE_NBYTES = 4 << 20
MAX_LICENCE_FILES = 64
_LICENCE_NAME = re.compile(
    r"(LICEN[CS]E|NOTICE|USE_POLICY|COPYING)[A-Za-z0-9._-]{0,100}|README\.md", re.IGNORECASE
)


def is_document(name: str) -> bool:
    """Return whether a file's name is one of a licence, a notice or a model card."""
    return _LICENCE_NAME.fullmatch(name) is not None


def read_licences(folder: Path) -> dict[str, bytes]:
    """Every licence, notice, use policy and README.md in a model's folder: name -> bytes."""
    names = sorted(p.name for p in folder.iterdir() if is_document(p.name))
    paths = [folder / name for name in names[:MAX_LICENCE_FILES]]
    return {p.name: read_small(p, MAX_LICENCE_NBYTES) for p in paths if p.is_file()}


def read_licences_beside(weights: Sequence[Path]) -> dict[str, bytes]:
    """The licence files beside a GGUF file, if its folder holds this model and nothing else.

    In a folder of downloads or in a project's, LICENSE and README.md belong to something else.
    """
    folder = weights[0].absolute().parent
    ours = {path.name for path in weights}
    others = (
        p.name
        for p in folder.iterdir()
        if p.name not in ours and not p.name.startswith(".") and not is_document(p.name)
    )
    return {} if any(others) else read_licences(folder)
