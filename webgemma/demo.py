"""Sites of the built-in models, kept in the user's cache folder."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path

from webgemma.build import build_site
from webgemma.cache import cache_folder
from webgemma.progress import Progress, no_progress
from webgemma.resources import BUILT_IN_MODEL, built_in_model
from webgemma.sources import samples_beside
from webgemma.version import __version__


def build_demo(model: str = BUILT_IN_MODEL, *, progress: Progress = no_progress) -> Path:
    """Build the site of a built-in model, with the sample pictures beside its checkpoint.

    It is built each time: that takes a second or two, and a site of an older build never shows.

    Args:
        model: BUILT_IN_MODEL or SEEING_MODEL; each has a folder of its own.
        progress: As in `build_site`.

    Returns:
        The site's folder.
    """
    checkpoint = built_in_model(model)
    kind = "demo" if model == BUILT_IN_MODEL else f"demo-{model}"
    site = cache_folder() / f"{kind}-{__version__}"
    build_site(
        checkpoint,
        site,
        model_id=model,
        name=model.capitalize(),
        samples=samples_beside(checkpoint.parent),
        force=True,
        progress=progress,
    )
    return site


def open_in_browser(url: str) -> None:
    """Open an address in the user's browser, where there is a screen to show it on."""
    has_screen = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    if has_screen or sys.platform in ("darwin", "win32"):
        webbrowser.open(url)
