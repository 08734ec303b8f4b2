"""The modules of web/ beside the scripts that a site has them joined in, for tests of parts."""

from __future__ import annotations

import shutil
from pathlib import Path

from webgemma.resources import data_folder
from webgemma.web import WEB_PARTS

PARTS = ("app", "runtime")


def lay_modules(site: Path) -> None:
    """Lay every module that a site has not, as it is written.

    A module that a test imports runs beside the page's own: nothing that one keeps is the other's.
    """
    for part in PARTS:
        source, target = data_folder("web") / part, site / WEB_PARTS[part]
        for path in source.rglob("*.js") if target.is_dir() else ():
            laid = target / path.relative_to(source)
            if not laid.exists():
                laid.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, laid)
