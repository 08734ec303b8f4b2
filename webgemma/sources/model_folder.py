"""What folders of a model hold beside the weights, whatever format those have."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from webgemma.checkpoint import TokenizerSource
from webgemma.errors import ConfigError
from webgemma.sources.files import broken, read_small, shown_value
from webgemma.sources.json_reader import read_json_object

MAX_TOKENIZER_NBYTES = 128 << 20
PLAIN_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
"""What a file of weights may be called: nothing that leads out of the folder."""


def architecture_of(path: Path, config: dict[str, Any]) -> str:
    """The model_type of a configuration.

    Raises:
        FormatError: there is none that can be a name.
    """
    value = config.get("model_type")
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", value):
        return value
    raise broken(path, "key 'model_type'", shown_value(value), "a name such as 'gemma2'")


def name_of(folder: Path) -> str:
    """The folder's name; in a hub cache, models--OWNER--NAME/snapshots/COMMIT, the model's."""
    folder = folder.absolute()
    repository = folder.parent.parent.name
    if folder.parent.name == "snapshots" and repository.startswith("models--"):
        return repository.rpartition("--")[2]
    return folder.name


def optional_json(path: Path) -> dict[str, Any]:
    """A file's JSON object; an empty one if there is no such file."""
    return read_json_object(path) if path.is_file() else {}


def read_tokenizer(folder: Path, config: dict[str, Any]) -> TokenizerSource:
    """The tokenizer; sentencepiece's own file is preferred, as the others are made from it.

    Raises:
        ConfigError: there is none.
    """
    path = folder / "tokenizer.model"
    if path.is_file():
        data = read_small(path, MAX_TOKENIZER_NBYTES)
        return TokenizerSource(sentencepiece=data, config=config)
    path = folder / "tokenizer.json"
    if path.is_file():
        data = read_small(path, MAX_TOKENIZER_NBYTES)
        return TokenizerSource(tokenizer_json=data, config=config)
    raise ConfigError(
        f"{folder}: no tokenizer: got neither tokenizer.model nor tokenizer.json, expected one. "
        "Fetch it from where the model was published."
    )
