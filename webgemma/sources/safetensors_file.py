"""One safetensors file: 8 bytes of length, a JSON header, then the tensors end to end.

Source: the safetensors format (README.md and src/tensor.rs of huggingface/safetensors): header at
most 100,000,000 bytes, no holes, no overlaps.
"""

from __future__ import annotations

import math
from typing import Any

from webgemma.errors import FormatError, UnsupportedError
from webgemma.sources.files import SourceFile, broken, shown, shown_value
from webgemma.sources.json_reader import parse_json_object
from webgemma.sources.tensor import FileTensor

MAX_HEADER_NBYTES = 100_000_000
MAX_TENSORS = 65_536
MAX_DIMENSIONS = 8
MAX_NAME_LENGTH = 512
LENGTH_NBYTES = 8

DTYPE_BITS: dict[str, int] = {
    "BOOL": 8,
    "U8": 8,
    "I8": 8,
    "F8_E4M3": 8,
    "F8_E5M2": 8,
    "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8,
    "F8_E5M2FNUZ": 8,
    "U16": 16,
    "I16": 16,
    "F16": 16,
    "BF16": 16,
    "U32": 32,
    "I32": 32,
    "F32": 32,
    "U64": 64,
    "I64": 64,
    "F64": 64,
    "C64": 64,
}
"""Whole-byte types and their bits. Source: safetensors src/tensor.rs, `Dtype::bitsize`."""


def read_safetensors(source: SourceFile) -> dict[str, FileTensor]:
    """Read and check the header of a safetensors file.

    Raises:
        FormatError: it is broken.
        UnsupportedError: a type that is not known, or a tensor without elements.
    """
    header, start = _read_header(source)
    _check_metadata(source, header.pop("__metadata__", None))
    if len(header) > MAX_TENSORS:
        raise broken(source.path, "header", f"{len(header):,} tensors", f"at most {MAX_TENSORS:,}")
    tensors = {name: _tensor(source, name, entry, start) for name, entry in header.items()}
    _check_layout(source, tensors, start)
    return tensors


def _read_header(source: SourceFile) -> tuple[dict[str, Any], int]:
    """(the header, the offset of the data)."""
    if source.nbytes < LENGTH_NBYTES:
        expected = f"at least {LENGTH_NBYTES}"
        raise broken(source.path, "size", f"{source.nbytes} bytes", expected)
    nbytes = int.from_bytes(source.read(0, LENGTH_NBYTES).tobytes(), "little")
    most = min(MAX_HEADER_NBYTES, source.nbytes - LENGTH_NBYTES)
    if nbytes > most:
        raise broken(source.path, "header length", f"{nbytes:,}", f"at most {most:,}", at=0)
    data = source.read(LENGTH_NBYTES, nbytes).tobytes()
    if not data.startswith(b"{"):
        raise broken(source.path, "header", repr(data[:8]), "a JSON object", at=LENGTH_NBYTES)
    header = parse_json_object(str(source.path), data, LENGTH_NBYTES)
    return header, LENGTH_NBYTES + nbytes


def _check_metadata(source: SourceFile, metadata: object) -> None:
    if metadata is None:
        return
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise broken(source.path, "'__metadata__'", shown_value(metadata), "an object of strings")


def _tensor(source: SourceFile, name: str, entry: object, start: int) -> FileTensor:
    """Check one entry of the header against itself and the file."""
    if not 0 < len(name) <= MAX_NAME_LENGTH or not name.isprintable():
        expected = f"1 to {MAX_NAME_LENGTH} printable characters"
        raise broken(source.path, "name of a tensor", shown(name), expected)
    where = f"{source.path}: tensor {shown(name)}"
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        got = shown_value(list(entry) if isinstance(entry, dict) else entry)
        raise broken(where, "", got, "an object of 'dtype', 'shape' and 'data_offsets'")
    shape = _shape(where, entry["shape"])
    bits = _bits(where, entry["dtype"])
    first, end = _offsets(where, entry["data_offsets"])
    nbytes = math.prod(shape) * bits // 8
    if end - first != nbytes:
        expected = f"{nbytes:,} for {entry['dtype']} {list(shape)}"
        raise broken(where, "data_offsets", f"{end - first:,} bytes", expected)
    if start + end > source.nbytes:
        got = f"bytes {start + first:,} to {start + end:,}"
        expected = f"an end within the file's {source.nbytes:,} bytes"
        raise broken(where, "data_offsets", got, expected)
    return FileTensor(source, name, entry["dtype"], shape, start + first, nbytes)


def _shape(where: str, shape: object) -> tuple[int, ...]:
    if (
        not isinstance(shape, list)
        or len(shape) > MAX_DIMENSIONS
        or not all(type(size) is int and 0 <= size < 1 << 63 for size in shape)
    ):
        expected = f"a list of at most {MAX_DIMENSIONS} sizes"
        raise broken(where, "shape", shown_value(shape), expected)
    if 0 in shape:
        raise UnsupportedError(
            f"{where}: shape {shape} has no elements, which is not supported. "
            "Save the model without empty tensors."
        )
    return tuple(shape)


def _bits(where: str, dtype: object) -> int:
    if not isinstance(dtype, str):
        raise broken(where, "dtype", shown_value(dtype), "a name")
    if dtype not in DTYPE_BITS:
        raise UnsupportedError(
            f"{where}: dtype {shown(dtype)} is not supported (have {', '.join(DTYPE_BITS)}). "
            "Save the model as BF16, F16 or F32."
        )
    return DTYPE_BITS[dtype]


def _offsets(where: str, offsets: object) -> tuple[int, int]:
    if (
        not isinstance(offsets, list)
        or len(offsets) != 2
        or not all(type(o) is int for o in offsets)
        or not 0 <= offsets[0] <= offsets[1]
    ):
        raise broken(where, "data_offsets", shown_value(offsets), "[begin, end]")
    return offsets[0], offsets[1]


def _check_layout(source: SourceFile, tensors: dict[str, FileTensor], start: int) -> None:
    """Check that the tensors fill the data end to end."""
    end = start
    for tensor in sorted(tensors.values(), key=lambda t: t.offset):
        if tensor.offset != end:
            raise _not_adjacent(tensor, end)
        end += tensor.nbytes
    if end != source.nbytes:
        got = f"{source.nbytes - end:,} bytes after the last tensor"
        raise broken(source.path, "", got, f"the file's end at byte {end:,}", at=end)


def _not_adjacent(tensor: FileTensor, end: int) -> FormatError:
    kind = "overlaps the tensor before it" if tensor.offset < end else "leaves a hole before it"
    got = f"a start at byte {tensor.offset:,}, which {kind}"
    return broken(tensor.where, "data_offsets", got, f"byte {end:,}")
