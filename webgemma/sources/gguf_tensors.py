"""The tensor descriptions of a GGUF file: shapes, types, and where their bytes lie."""

from __future__ import annotations

import math
from dataclasses import dataclass

from webgemma.errors import FormatError, UnsupportedError
from webgemma.sources.cursor import Cursor
from webgemma.sources.files import broken, shown
from webgemma.sources.ggml_types import GGML_TYPES, REMOVED_TYPES, GgmlType
from webgemma.sources.tensor import FileTensor

MAX_DIMENSIONS = 4
MAX_NAME_NBYTES = 64  # Source: GGUF specification; ggml's GGML_MAX_NAME


@dataclass(frozen=True, slots=True)
class Description:
    """One tensor as the head describes it."""

    name: str
    type: GgmlType
    sizes: tuple[int, ...]
    """Innermost first, as in the file."""
    offset: int
    """From the start of the data."""
    at: int
    """Where in the file the description starts."""

    @property
    def nbytes(self) -> int:
        """Bytes of the tensor; exact, as Python's integers do not wrap."""
        return math.prod(self.sizes) // self.type.block_size * self.type.block_nbytes


def read_tensors(cursor: Cursor, count: int, alignment: int) -> dict[str, FileTensor]:
    """Read `count` descriptions and check that their bytes fill the rest of the file.

    Raises:
        FormatError: a description is broken, or bytes lie outside, overlap or are left over.
        UnsupportedError: a tensor type that is not known.
    """
    found: dict[str, Description] = {}
    for index in range(count):
        description = _read_description(cursor, index, alignment)
        if description.name in found:
            raise _wrong(cursor, description, "", "the name a second time", "every name once")
        found[description.name] = description
    start = _padded(cursor.offset, alignment)
    _check_layout(cursor, list(found.values()), start, alignment)
    return {
        d.name: FileTensor(
            cursor.source, d.name, d.type.name, d.sizes[::-1], start + d.offset, d.nbytes
        )
        for d in found.values()
    }


def _read_description(cursor: Cursor, index: int, alignment: int) -> Description:
    at = cursor.offset
    what = f"name of tensor {index}"
    name = cursor.string(what, MAX_NAME_NBYTES)
    if not name or not name.isprintable():
        expected = "a name of printable characters"
        raise broken(cursor.source.path, what, shown(name), expected, at=at)
    what = f"tensor {shown(name)}"
    sizes = _read_sizes(cursor, what)
    ggml_type = _read_type(cursor, what)
    offset_at = cursor.offset
    offset = cursor.integer(8, what)
    if offset % alignment:
        expected = f"a multiple of {alignment:,}"
        raise broken(cursor.source.path, f"{what}: offset", f"{offset:,}", expected, at=offset_at)
    if sizes[0] % ggml_type.block_size:
        expected = f"a multiple of {ggml_type.block_size} (blocks of {ggml_type.name})"
        raise broken(cursor.source.path, f"{what}: row length", f"{sizes[0]:,}", expected, at=at)
    return Description(name, ggml_type, sizes, offset, at)


def _read_sizes(cursor: Cursor, what: str) -> tuple[int, ...]:
    at, path = cursor.offset, cursor.source.path
    dimensions = cursor.integer(4, what)
    if not 1 <= dimensions <= MAX_DIMENSIONS:
        expected = f"1 to {MAX_DIMENSIONS}"
        raise broken(path, f"{what}: number of dimensions", f"{dimensions:,}", expected, at=at)
    sizes = []
    for index in range(dimensions):
        at = cursor.offset
        size = cursor.integer(8, what)
        # A file of n bytes holds at most 8 n elements, at one bit each.
        if not 1 <= size <= 8 * cursor.source.nbytes:
            expected = f"1 to {8 * cursor.source.nbytes:,}"
            raise broken(path, f"{what}: dimension {index}", f"{size:,}", expected, at=at)
        sizes.append(size)
    return tuple(sizes)


def _read_type(cursor: Cursor, what: str) -> GgmlType:
    at = cursor.offset
    type_id = cursor.integer(4, what)
    if type_id in GGML_TYPES:
        return GGML_TYPES[type_id]
    name = REMOVED_TYPES.get(type_id)
    kind = f"type {name} was removed from GGML and" if name else f"GGML type {type_id:,}"
    raise UnsupportedError(
        f"{cursor.source.path}: {what}, byte {at:,}: {kind} is not supported "
        "(have the types of llama.cpp). Convert the model again with a current llama.cpp."
    )


def _check_layout(cursor: Cursor, tensors: list[Description], start: int, alignment: int) -> None:
    """Check that tensors lie one after another, padded, from the start to the file's end.

    ggml itself asks for this; a gap or a rest means that something was read wrongly.
    """
    total = cursor.source.nbytes
    end = start
    for tensor in sorted(tensors, key=lambda d: d.offset):
        first = start + tensor.offset
        if first + tensor.nbytes > total:
            got = f"bytes {first:,} to {first + tensor.nbytes:,}"
            raise _wrong(cursor, tensor, "data", got, f"an end within the file's {total:,} bytes")
        if first < end:
            expected = f"at least {end:,}, where another tensor ends"
            raise _wrong(cursor, tensor, "data", f"a start at byte {first:,}", expected)
        if first != _padded(end, alignment):
            expected = f"{_padded(end, alignment):,}, where the data before it ends"
            raise _wrong(cursor, tensor, "data", f"a start at byte {first:,}", expected)
        end = first + tensor.nbytes
    if tensors and total > _padded(end, alignment):
        got = f"{total - end:,} bytes after the last tensor"
        raise broken(cursor.source.path, "", got, f"the file's end at byte {end:,}", at=end)


def _wrong(cursor: Cursor, tensor: Description, part: str, got: str, expected: str) -> FormatError:
    what = f"tensor {shown(tensor.name)}" + (f": {part}" if part else "")
    return broken(cursor.source.path, what, got, expected, at=tensor.at)


def _padded(offset: int, alignment: int) -> int:
    return -(-offset // alignment) * alignment
