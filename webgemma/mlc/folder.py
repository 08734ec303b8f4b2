"""The folder an MLC model is written to: what may be replaced, and what else lies in it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from webgemma.errors import ConfigError
from webgemma.mlc.cache import B16_NAME, CACHE_NAMES
from webgemma.staging import cannot_write

CONFIG_NAME = "mlc-chat-config.json"
TOKENIZER_NAMES = ("tokenizer.model", "tokenizer.json", "tokenizer_config.json")
_OURS = re.compile(
    "|".join(re.escape(name) for name in (*CACHE_NAMES, B16_NAME, CONFIG_NAME, *TOKENIZER_NAMES))
    + r"|params_shard_\d+\.bin|(LICEN[CS]E|NOTICE|USE_POLICY|COPYING|README)[A-Za-z0-9._-]*",
    re.IGNORECASE,
)


def check_may_write(path: Path, *, force: bool) -> None:
    """Check that a folder of MLC weights may be written to `path`.

    Raises:
        ConfigError: something is there that is no such folder, or that `force` is needed to
            replace.
    """
    if path.exists() and not path.is_dir():
        raise ConfigError(f"{path}: got a file, expected a folder or nothing. Choose another -o.")
    if path == Path.cwd():
        raise ConfigError(
            f"{path}: got the current folder, expected another: the folder is replaced as a whole. "
            "Choose another -o."
        )
    if not path.is_dir() or not any(path.iterdir()):
        return
    names = sorted(entry.name for entry in path.iterdir())
    foreign = [name for name in names if not _OURS.fullmatch(name)]
    if foreign or CONFIG_NAME not in names:
        got = repr(foreign[0]) if foreign else f"no {CONFIG_NAME}"
        raise ConfigError(
            f"{path}: got {got} in a folder that is not empty, expected MLC weights and nothing "
            "else, or no folder. Choose another -o."
        )
    if not force:
        raise ConfigError(
            f"{path}: got MLC weights that are there already. Replace them with --force or choose "
            "another -o."
        )


def write_file(folder: Path, name: str, data: bytes, *, shown: Path) -> None:
    """Write one file; `shown` is the folder's final place, for messages.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        with (folder / name).open("xb") as file:
            file.write(data)
    except OSError as error:
        raise cannot_write(shown / name, error) from error


def to_json(value: Any) -> bytes:
    """JSON as MLC writes its configurations."""
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
