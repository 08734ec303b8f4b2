"""The chat template of a model: found, bounded, still untrusted text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from webgemma.sources.files import broken, read_small, shown_value
from webgemma.sources.json_reader import read_json_object

MAX_TEMPLATE_NBYTES = 256 << 10


def check_template(where: str, value: object) -> str | None:
    """A template, or None if there is none.

    Raises:
        FormatError: it is not a string, too long, or holds half a surrogate pair.
    """
    if value is None:
        return None
    if not isinstance(value, str):
        raise broken(where, "", shown_value(value), "a string")
    try:
        nbytes = len(value.encode())
    except UnicodeEncodeError as error:
        raise broken(where, "", "half a surrogate pair", "Unicode text") from error
    if nbytes > MAX_TEMPLATE_NBYTES:
        raise broken(where, "", f"{nbytes:,} bytes", f"at most {MAX_TEMPLATE_NBYTES:,}")
    return value


def read_folder_template(folder: Path, tokenizer_config: Mapping[str, Any]) -> str | None:
    """The chat template of a Hugging Face folder.

    Its own file comes before tokenizer_config.json, as in transformers. Of several named
    templates it is the one called "default", or the only one.
    """
    path = folder / "chat_template.jinja"
    if path.is_file():
        return _decoded(path)
    path = folder / "chat_template.json"
    if path.is_file():
        return _chosen(path, read_json_object(path).get("chat_template"))
    path = folder / "tokenizer_config.json"
    return _chosen(path, tokenizer_config.get("chat_template"))


def _decoded(path: Path) -> str:
    data = read_small(path, MAX_TEMPLATE_NBYTES)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        got = f"the byte 0x{data[error.start]:02x}"
        raise broken(path, "", got, "UTF-8", at=error.start) from error


def _chosen(path: Path, value: object) -> str | None:
    where = f"{path}: key 'chat_template'"
    if not isinstance(value, list):
        return check_template(where, value)
    named: dict[str, object] = {}
    for entry in value:
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise broken(where, "", shown_value(entry), "objects with 'name' and 'template'")
        named[entry["name"]] = entry.get("template")
    only = next(iter(named.values())) if len(named) == 1 else None
    return check_template(where, named.get("default", only))
