"""The head of a GGUF file: key-values and tensor descriptions, checked as they are read.

Source: the GGUF specification (ggml docs/gguf.md). Caps on counts and sizes are ours; real files
stay far below them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from webgemma.errors import FormatError, UnsupportedError
from webgemma.sources.cursor import Cursor
from webgemma.sources.files import SourceFile, broken, shown, shown_value
from webgemma.sources.gguf_tensors import read_tensors
from webgemma.sources.tensor import FileTensor

MAGIC = b"GGUF"
VERSIONS = (2, 3)
MAX_KEYS = 65_536
MAX_TENSORS = 65_536
MAX_KEY_NBYTES = 65_535
MAX_ARRAY_LENGTH = 1 << 22
DEFAULT_ALIGNMENT = 32
ALIGNMENTS = tuple(1 << power for power in range(3, 17))  # 8 .. 65,536

STRING, ARRAY, BOOL = 8, 9, 7
NUMBER_TYPES: dict[int, np.dtype[Any]] = {
    0: np.dtype("<u1"),
    1: np.dtype("<i1"),
    2: np.dtype("<u2"),
    3: np.dtype("<i2"),
    4: np.dtype("<u4"),
    5: np.dtype("<i4"),
    6: np.dtype("<f4"),
    BOOL: np.dtype("<u1"),
    10: np.dtype("<u8"),
    11: np.dtype("<i8"),
    12: np.dtype("<f8"),
}
"""GGUF value type -> numpy's; booleans are bytes 0 and 1."""

MIN_KEY_NBYTES = 8 + 1 + 4 + 1
"""The shortest key-value: length, one letter, type, one byte."""
MIN_TENSOR_NBYTES = 8 + 1 + 4 + 8 + 4 + 8
"""The shortest tensor description: length, one letter, dimensions, one size, type, offset."""
_CONVERT_AGAIN = "Convert the model again with a current llama.cpp."


@dataclass(frozen=True, slots=True)
class Header:
    """What one GGUF file says about itself."""

    source: SourceFile
    metadata: dict[str, Any]
    """Key -> int, float, bool, str, list of str, or a numpy array of numbers."""
    tensors: dict[str, FileTensor]


def read_header(source: SourceFile) -> Header:
    """Read and check the head of a GGUF file.

    Raises:
        FormatError: it is broken.
        UnsupportedError: version 1, big-endian, nested arrays, or an unknown tensor type.
    """
    with Cursor(source) as cursor:
        _read_version(cursor)
        num_tensors = _read_count(cursor, "tensor count", MAX_TENSORS, MIN_TENSOR_NBYTES)
        num_keys = _read_count(cursor, "key count", MAX_KEYS, MIN_KEY_NBYTES)
        metadata: dict[str, Any] = {}
        for _ in range(num_keys):
            _read_key_value(cursor, metadata)
        alignment = _alignment(source, metadata)
        tensors = read_tensors(cursor, num_tensors, alignment)
    return Header(source, metadata, tensors)


def _read_version(cursor: Cursor) -> None:
    path = cursor.source.path
    magic = cursor.take(4, "magic")
    if magic != MAGIC:
        raise broken(path, "magic", repr(magic), repr(MAGIC), at=0)
    version = cursor.integer(4, "version")
    if version in VERSIONS:
        return
    swapped = int.from_bytes(version.to_bytes(4, "little"), "big")
    if 1 <= swapped <= max(VERSIONS):
        raise UnsupportedError(
            f"{path}: big-endian GGUF is not supported (have little-endian). {_CONVERT_AGAIN}"
        )
    raise UnsupportedError(
        f"{path}: GGUF version {version:,} is not supported (have 2 and 3). {_CONVERT_AGAIN}"
    )


def _read_count(cursor: Cursor, what: str, most: int, min_nbytes: int) -> int:
    """Take a count of things that each take at least `min_nbytes` bytes of the file."""
    at = cursor.offset
    count = cursor.integer(8, what)
    _check_count(cursor, what, count, most, min_nbytes, at)
    return count


def _check_count(
    cursor: Cursor, what: str, count: int, most: int, min_nbytes: int, at: int
) -> None:
    path = cursor.source.path
    if count > most:
        raise broken(path, what, f"{count:,}", f"at most {most:,}", at=at)
    if count * min_nbytes > cursor.left:
        expected = f"at most {cursor.left // min_nbytes:,} in the {cursor.left:,} bytes left"
        raise broken(path, what, f"{count:,}", expected, at=at)


def _read_key_value(cursor: Cursor, metadata: dict[str, Any]) -> None:
    path, at = cursor.source.path, cursor.offset
    key = cursor.string(f"key {len(metadata)}", MAX_KEY_NBYTES)
    if not key or not key.isprintable():
        what = f"key {len(metadata)}"
        raise broken(path, what, shown(key), "a name of printable characters", at=at)
    what = f"key {shown(key)}"
    if key in metadata:
        raise broken(path, what, "the key a second time", "every key once", at=at)
    at = cursor.offset
    value_type = cursor.integer(4, f"type of {what}")
    if value_type == STRING:
        metadata[key] = cursor.string(what)
    elif value_type == ARRAY:
        metadata[key] = _read_array(cursor, what)
    else:
        _check_number_type(cursor, what, value_type, at)
        metadata[key] = _read_numbers(cursor, what, value_type, 1)[0].item()


def _check_number_type(cursor: Cursor, what: str, value_type: int, at: int) -> None:
    if value_type not in NUMBER_TYPES:
        raise broken(
            cursor.source.path, f"type of {what}", f"{value_type:,}", "a value type from 0 to 12",
            at=at,
        )  # fmt: skip


def _read_array(cursor: Cursor, what: str) -> Any:
    """A list of strings, or a numpy array [count] of numbers."""
    at = cursor.offset
    element_type = cursor.integer(4, f"element type of {what}")
    if element_type == ARRAY:
        raise UnsupportedError(
            f"{cursor.source.path}: {what}, byte {at:,}: an array of arrays is not supported "
            "(have arrays of numbers and strings). Remove the key and write the file again."
        )
    if element_type != STRING:
        _check_number_type(cursor, f"elements of {what}", element_type, at)
    at = cursor.offset
    length = f"length of {what}"
    count = cursor.integer(8, length)
    min_nbytes = 8 if element_type == STRING else NUMBER_TYPES[element_type].itemsize
    _check_count(cursor, length, count, MAX_ARRAY_LENGTH, min_nbytes, at)
    if element_type == STRING:
        return cursor.strings(count, what)
    return _read_numbers(cursor, what, element_type, count)


def _read_numbers(cursor: Cursor, what: str, value_type: int, count: int) -> Any:
    """A read-only numpy array [count]."""
    at, dtype = cursor.offset, NUMBER_TYPES[value_type]
    numbers = np.frombuffer(cursor.take(count * dtype.itemsize, what), dtype)
    cursor.charge(numbers.nbytes)
    if value_type != BOOL:
        return numbers
    if count and numbers.max() > 1:
        index = int(numbers.argmax())
        raise broken(cursor.source.path, what, str(numbers[index]), "0 or 1", at=at + index)
    return numbers.view(np.bool_)


def _alignment(source: SourceFile, metadata: dict[str, Any]) -> int:
    alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    if type(alignment) is not int or alignment not in ALIGNMENTS:
        got, expected = shown_value(alignment), "a power of two from 8 to 65,536"
        raise broken(source.path, "key 'general.alignment'", got, expected)
    return alignment


def architecture_of(header: Header) -> str:
    """The value of general.architecture.

    Raises:
        FormatError: it is missing or not a name.
    """
    value = header.metadata.get("general.architecture")
    if isinstance(value, str) and re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", value):
        return value
    error: FormatError = broken(
        header.source.path,
        "key 'general.architecture'",
        shown_value(value),
        "a name such as 'gemma2'",
    )
    raise error
