"""GGUF files, versions 2 and 3, whole or split into parts -00001-of-0000N.gguf."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from webgemma.checkpoint import Checkpoint, TokenizerSource
from webgemma.errors import ConfigError, UnsupportedError
from webgemma.sources.files import SourceFile, broken, shown, shown_value
from webgemma.sources.gguf_header import Header, architecture_of, read_header
from webgemma.sources.licences import read_licences_beside
from webgemma.sources.templates import check_template
from webgemma.sources.tensor import FileTensor

MAX_PARTS = 1_000
_PART_NAME = re.compile(r"(?P<stem>.+)-(?P<number>[0-9]{5})-of-(?P<count>[0-9]{5})\.gguf")
_TEMPLATE_KEY = "tokenizer.chat_template"
_SPACE_KEY = "tokenizer.ggml.add_space_prefix"
"""Gemma's tokenizers put no space before a text; converters of early 2024 did not say so."""


def open_gguf(path: Path) -> Checkpoint:
    """Open a GGUF file; of a split one, any part.

    Raises:
        FormatError: a file is broken, or parts do not belong together.
        UnsupportedError: version 1, big-endian, nested arrays, or an unknown tensor type.
        ConfigError: a file is missing or cannot be read.
    """
    paths = part_paths(path)
    first = read_header(SourceFile.at(paths[0]))
    _check_split(first, 0, len(paths))
    tensors = dict(first.tensors)
    for number in range(1, len(paths)):
        _add_part(first, tensors, paths, number)
    _check_tensor_count(first, len(tensors), len(paths))
    metadata, architecture = first.metadata, architecture_of(first)
    tokenizer = {k: v for k, v in metadata.items() if k.startswith("tokenizer.")}
    if architecture.startswith("gemma"):
        tokenizer.setdefault(_SPACE_KEY, False)
    where = f"{paths[0]}: key {_TEMPLATE_KEY!r}"
    template = check_template(where, tokenizer.get(_TEMPLATE_KEY))
    return Checkpoint(
        path=path,
        format="gguf",
        files=tuple(paths),
        architecture=architecture,
        metadata=metadata,
        tensors=tensors,
        tokenizer=TokenizerSource(gguf=tokenizer),
        chat_template=template,
        licence_files=read_licences_beside(paths),
        name=_name(metadata, path),
    )


def part_paths(path: Path) -> list[Path]:
    """All parts of the model that `path` is, or is a part of, by their names.

    Raises:
        FormatError: the numbers in the name contradict each other.
        ConfigError: a part is missing.
    """
    match = _PART_NAME.fullmatch(path.name)
    if not match:
        return [path]
    number, count = int(match["number"]), int(match["count"])
    if not 1 <= number <= count <= MAX_PARTS:
        expected = f"a part from 1 to the count, at most {MAX_PARTS:,}"
        raise broken(path, "name", f"part {number} of {count}", expected, do="Rename the file.")
    stem = match["stem"]
    paths = [path.with_name(f"{stem}-{i:05}-of-{count:05}.gguf") for i in range(1, count + 1)]
    missing = [p.name for p in paths if not p.is_file()]
    if missing:
        raise ConfigError(
            f"{path}: part {missing[0]} is missing: got {count - len(missing)} of {count} parts "
            "in the folder. Fetch the others into it."
        )
    return paths


def _add_part(
    first: Header, tensors: dict[str, FileTensor], paths: list[Path], number: int
) -> None:
    """Check a later part against the first and take its tensors over."""
    part = read_header(SourceFile.at(paths[number]))
    _check_split(part, number, len(paths))
    for key, value in part.metadata.items():
        if not key.startswith("split.") and not _is_same(first.metadata.get(key), value):
            expected = f"the same as in {paths[0].name}"
            raise broken(paths[number], f"key {shown(key)}", shown_value(value), expected)
    for name, tensor in part.tensors.items():
        if name in tensors:
            expected = f"every name once (it is in {tensors[name].source.path.name} too)"
            raise broken(tensor.where, "", "the name a second time", expected)
        tensors[name] = tensor


def _check_split(header: Header, number: int, count: int) -> None:
    """Check that split.no and split.count agree with the file's name."""
    path, metadata = header.source.path, header.metadata
    for key, expected, default in (("split.count", count, 1), ("split.no", number, 0)):
        found = metadata.get(key, default if count == 1 else None)
        if type(found) is not int or found != expected:
            raise broken(
                path,
                f"key {key!r}",
                shown_value(found),
                f"{expected}, as the file's name says",
                do="Give the parts the names they were published with.",
            )


def _check_tensor_count(first: Header, total: int, num_parts: int) -> None:
    declared = first.metadata.get("split.tensors.count", total if num_parts == 1 else None)
    if type(declared) is not int or declared != total:
        expected = f"{total:,}, the tensors found in {num_parts} part(s)"
        raise broken(
            first.source.path, "key 'split.tensors.count'", shown_value(declared), expected
        )
    if not total:
        raise UnsupportedError(
            f"{first.source.path}: the file holds no tensors, only metadata or a vocabulary. "
            "Give the file that holds the model's weights."
        )


def _is_same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.array_equal(a, b)
    return type(a) is type(b) and bool(a == b)


def _name(metadata: Mapping[str, Any], path: Path) -> str:
    """general.name if it is fit to be shown, else the file's name without its ending."""
    name = metadata.get("general.name")
    if isinstance(name, str) and name.isprintable() and 0 < len(name.strip()) <= 200:
        return name.strip()
    match = _PART_NAME.fullmatch(path.name)
    return match["stem"] if match else path.stem
