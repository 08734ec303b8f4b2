"""MLC's tensor cache: tensor-cache.json, or ndarray-cache.json as it was called before.

    {"metadata": {...}, "records": [one per shard file:
        {"dataPath": "params_shard_0.bin", "format": "raw-shard", "nbytes": ..., "md5sum": ...,
         "records": [one per tensor:
            {"name", "shape", "dtype", "format", "nbytes", "byteOffset"}]}]}

A tensor's format is "raw", or "f32-to-bf16": then float32 is stored as bfloat16 and all else raw.
Source: TVM python/tvm/contrib/tvmjs.py (dump_tensor_cache, load_tensor_cache).
"""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webgemma.errors import UnsupportedError
from webgemma.sources.files import SourceFile, broken, shown, shown_value
from webgemma.sources.json_reader import read_json_object
from webgemma.sources.model_folder import PLAIN_NAME
from webgemma.sources.tensor import FileTensor

CACHE_NAMES = ("tensor-cache.json", "ndarray-cache.json")
"""WebLLM from 0.2.80 on asks for the first, older ones for the second; the content is the same."""
MAX_CACHE_NBYTES = 64 << 20
MAX_SHARDS = 10_000
MAX_TENSORS = 65_536
MAX_DIMENSIONS = 4
MAX_NAME_LENGTH = 512

TYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16", "uint32": "U32"}
"""dtype of a record -> our name of the type; float32 may be stored as BF16."""
TYPE_NBYTES = {"F32": 4, "F16": 2, "BF16": 2, "U32": 4}
FORMATS = ("raw", "f32-to-bf16")


@dataclass(frozen=True, slots=True)
class TensorCache:
    """The files of a tensor cache and what lies in them."""

    path: Path
    """The JSON file."""
    files: tuple[Path, ...]
    """The shards, in the order they are listed."""
    tensors: dict[str, FileTensor]
    """By MLC's names, in the order they are listed; codes have type "U32"."""
    md5: dict[str, str]
    """Of every shard that has one: name -> hex."""


def find_cache(folder: Path) -> Path | None:
    """The JSON file of the tensor cache in a folder, if there is one."""
    return next((folder / name for name in CACHE_NAMES if (folder / name).is_file()), None)


def read_cache(path: Path) -> TensorCache:
    """Read and check a tensor cache; shards stay where they are.

    Raises:
        FormatError: it is broken, or it and the shards contradict each other.
        UnsupportedError: a type or format that is not known.
        ConfigError: a shard is missing.
    """
    shards = read_json_object(path, MAX_CACHE_NBYTES).get("records")
    if not isinstance(shards, list) or not 0 < len(shards) <= MAX_SHARDS:
        expected = f"a list of 1 to {MAX_SHARDS:,} shards"
        raise broken(path, "key 'records'", shown_value(shards), expected)
    cache = TensorCache(path, tuple(_shard_path(path, s) for s in shards), {}, {})
    seen: set[Path] = set()
    for file, shard in zip(cache.files, shards, strict=True):
        if file in seen:
            raise broken(path, f"shard {shown(file.name)}", "it twice", "every shard once")
        seen.add(file)
        _read_shard(cache, file, shard)
    return cache


def _shard_path(path: Path, shard: object) -> Path:
    """The file of a shard: a plain name in the folder of the cache, no link out of it."""
    if not isinstance(shard, dict):
        raise broken(path, "key 'records'", shown_value(shard), "an object for each shard")
    name = shard.get("dataPath")
    if not isinstance(name, str) or not PLAIN_NAME.fullmatch(name) or ".." in name:
        expected = "a plain file name in the same folder"
        raise broken(path, "key 'dataPath'", shown_value(name), expected)
    file = path.parent / name
    if not Path(os.path.realpath(file)).is_relative_to(_root(path.parent)):
        raise broken(
            path,
            f"shard {shown(name)}",
            "a link to another place",
            "a file in the same folder",
            do="Copy the file into the folder.",
        )
    return file


def _root(folder: Path) -> Path:
    """Where links may lead: the folder, or the hub cache's folder of the model it belongs to."""
    folder = Path(os.path.realpath(folder))
    repository = folder.parent.parent
    is_hub = folder.parent.name == "snapshots" and repository.name.startswith("models--")
    return repository if is_hub else folder


def _read_shard(cache: TensorCache, file: Path, shard: dict[str, Any]) -> None:
    """Check one shard and enter its tensors."""
    where = f"{cache.path}: shard {shown(file.name)}"
    if shard.get("format") != "raw-shard":
        raise UnsupportedError(
            f"{where}: format {shown_value(shard.get('format'))} is not supported "
            "(have 'raw-shard'). Convert the model again with a current MLC."
        )
    source = SourceFile.at(file)
    if shard.get("nbytes") != source.nbytes:
        expected = f"{source.nbytes:,}, the size of the file"
        raise broken(where, "key 'nbytes'", shown_value(shard.get("nbytes")), expected)
    md5 = shard.get("md5sum")
    if md5 is not None:
        if not isinstance(md5, str) or not re.fullmatch(r"[0-9a-f]{32}", md5):
            raise broken(where, "key 'md5sum'", shown_value(md5), "32 hexadecimal digits")
        cache.md5[file.name] = md5
    records = shard.get("records")
    if not isinstance(records, list) or len(cache.tensors) + len(records) > MAX_TENSORS:
        expected = f"a list of records, at most {MAX_TENSORS:,} in all"
        raise broken(where, "key 'records'", shown_value(records), expected)
    end = 0
    for record in records:
        tensor = _tensor(cache, where, source, record, end)
        cache.tensors[tensor.name] = tensor
        end = tensor.offset + tensor.nbytes
    if end != source.nbytes:
        raise broken(where, "", f"records that end at byte {end:,}", f"{source.nbytes:,} bytes")


def _tensor(
    cache: TensorCache, where: str, source: SourceFile, record: object, start: int
) -> FileTensor:
    """Check one record, which lies at `start`, where the one before it ends."""
    if not isinstance(record, dict):
        raise broken(where, "key 'records'", shown_value(record), "an object for each tensor")
    name = record.get("name")
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_LENGTH or not name.isprintable():
        expected = f"1 to {MAX_NAME_LENGTH} printable characters"
        raise broken(where, "key 'name'", shown_value(name), expected)
    what = f"{cache.path}: tensor {shown(name)}"
    if name in cache.tensors:
        raise broken(what, "", "the name a second time", "every name once")
    shape = _shape(what, record.get("shape"))
    kind = _type(what, record)
    nbytes = math.prod(shape) * TYPE_NBYTES[kind]
    _check_number(what, record, "nbytes", nbytes, f"for {kind} {list(shape)}")
    _check_number(what, record, "byteOffset", start, "where the tensor before it ends")
    if start + nbytes > source.nbytes:
        got = f"bytes {start:,} to {start + nbytes:,}"
        raise broken(what, "", got, f"an end within the shard's {source.nbytes:,} bytes")
    return FileTensor(source, name, kind, shape, start, nbytes)


def _check_number(what: str, record: dict[str, Any], key: str, expected: int, why: str) -> None:
    found = record.get(key)
    if type(found) is not int or found != expected:
        raise broken(what, f"key {key!r}", shown_value(found), f"{expected:,}, {why}")


def _shape(what: str, shape: object) -> tuple[int, ...]:
    if (
        not isinstance(shape, list)
        or not 0 < len(shape) <= MAX_DIMENSIONS
        or not all(type(size) is int and 0 < size < 1 << 40 for size in shape)
    ):
        expected = f"a list of 1 to {MAX_DIMENSIONS} sizes"
        raise broken(what, "key 'shape'", shown_value(shape), expected)
    return tuple(shape)


def _type(what: str, record: dict[str, Any]) -> str:
    """The type of a tensor as it is stored."""
    dtype, form = record.get("dtype"), record.get("format")
    if not isinstance(dtype, str) or dtype not in TYPES or form not in FORMATS:
        raise UnsupportedError(
            f"{what}: dtype {shown_value(dtype)} in format {shown_value(form)} is not supported "
            f"(have {', '.join(TYPES)} in {' or '.join(FORMATS)}). Convert the model to another "
            "quantization."
        )
    return "BF16" if dtype == "float32" and form == "f32-to-bf16" else TYPES[dtype]
