"""Where this machine keeps what can be made again."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path


def cache_folder() -> Path:
    """Return webgemma's folder for what can be made again, and make it.

    Where the home folder cannot be written to, it is one of the temporary folders.
    """
    folder = _system_cache_folder() / "webgemma"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.mkdtemp(prefix="webgemma-"))
    return folder if os.access(folder, os.W_OK) else Path(tempfile.mkdtemp(prefix="webgemma-"))


def _system_cache_folder() -> Path:
    """Return where this system keeps caches."""
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"])
    if sys.platform == "darwin":
        return Path("~/Library/Caches").expanduser()
    if os.environ.get("LOCALAPPDATA"):
        return Path(os.environ["LOCALAPPDATA"])
    return Path("~/.cache").expanduser()
