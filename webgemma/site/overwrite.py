"""Whether a site may be written to a folder: never over what somebody else put there."""

from __future__ import annotations

import json
from pathlib import Path

from webgemma.errors import ConfigError
from webgemma.hosts import HOST_FILES
from webgemma.layout import INDEX, SITE_VERSION, WEIGHTS_INDEX
from webgemma.web import WEB_PARTS

OTHER_PARTS = (*HOST_FILES, "models")
"""What a site holds at its top level beside WEB_PARTS."""


def check_may_write(path: Path, *, force: bool) -> None:
    """Check that a site may be written to `path`.

    Raises:
        ConfigError: something is there that is not ours, or that `force` is needed to replace.
    """
    if path.exists() and not path.is_dir():
        raise ConfigError(f"{path}: got a file, expected a folder or nothing. Choose another -o.")
    if path == Path.cwd():
        raise ConfigError(
            f"{path}: got the current folder, expected another: a site's folder is replaced as a "
            "whole. Choose another -o, such as -o site."
        )
    if not path.is_dir() or not any(path.iterdir()):
        return
    if not _is_site(path):
        raise ConfigError(
            f"{path}: got a folder that is not empty and was not written by webgemma, expected "
            "an empty one or none. Choose another -o."
        )
    ours = {*WEB_PARTS.values(), *OTHER_PARTS}
    if not (path / ".gitattributes").exists():
        ours -= {"README.md"}  # it was not built for a Space: somebody else wrote it
    foreign = sorted(entry.name for entry in path.iterdir() if entry.name not in ours)
    if foreign:
        raise ConfigError(
            f"{path}: got {foreign[0]!r} in the site, which webgemma did not write and would "
            "delete. Move it away or choose another -o."
        )
    if not force:
        raise ConfigError(
            f"{path}: got a site that is there already. Replace it with --force or choose "
            "another -o."
        )


def check_may_write_weights(path: Path, *, force: bool) -> None:
    """Check that weights may be written to a folder of their own.

    Raises:
        ConfigError: something is there that is not ours, or that `force` is needed to replace.
    """
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    if not (path / WEIGHTS_INDEX).is_file():
        raise ConfigError(
            f"{path}: got something there that webgemma did not write, expected an empty folder "
            "or none for the weights. Choose another -o."
        )
    if not force:
        raise ConfigError(
            f"{path}: got weights that are there already. Replace them with --force or choose "
            "another -o."
        )


def _is_site(path: Path) -> bool:
    """Return whether `path` holds a site of this version."""
    try:
        index = json.loads((path / INDEX).read_bytes())
    except (OSError, ValueError):
        return False
    return (
        isinstance(index, dict)
        and index.get("version") == SITE_VERSION
        and isinstance(index.get("models"), list)
    )
