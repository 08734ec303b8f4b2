from __future__ import annotations

import json
import os
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
from safetensors.numpy import save_file

from tests.support.raw_safetensors import entry, safetensors_bytes
from webgemma.errors import FormatError, UnsupportedError, WebGemmaError
from webgemma.sources.files import SourceFile
from webgemma.sources.safetensors_file import read_safetensors
from webgemma.sources.tensor import FileTensor

AGAIN = " The file is damaged or incomplete; fetch it again."


def read(path: Path) -> dict[str, FileTensor]:
    return read_safetensors(SourceFile.at(path))


def test_reads_what_safetensors_writes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    kinds = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?")
    arrays: dict[str, Any] = {
        f"{kind} {shape}": rng.integers(0, 2, shape).astype(kind)
        for kind in kinds
        for shape in ((), (3,), (5, 7), (2, 3, 4), (1, 1, 1, 2, 2))
    }
    path = tmp_path / "a.safetensors"
    save_file(arrays, path, metadata={"format": "np"})
    tensors = read(path)
    with safetensors.safe_open(path, "numpy") as theirs:
        assert sorted(tensors) == sorted(theirs.keys())
        for name, tensor in tensors.items():
            view = theirs.get_slice(name)
            assert tensor.type == view.get_dtype()
            assert tensor.shape == tuple(view.get_shape())
            expected = theirs.get_tensor(name)
            assert tensor.read_rows(0, tensor.num_rows).tobytes() == expected.tobytes()
            assert tensor.where == f"{path}: tensor {name!r}"


def test_reads_a_range_of_rows(tmp_path: Path) -> None:
    values = np.arange(60, dtype=np.float32).reshape(10, 6)
    path = tmp_path / "a.safetensors"
    save_file({"a": values, "b": values[:1]}, path)
    got = read(path)["a"].read_rows(3, 7)
    assert got.shape == (4, 24)
    np.testing.assert_array_equal(got.view(np.float32), values[3:7])


def test_bf16_and_f8_and_padding(tmp_path: Path) -> None:
    # Writers pad the header with spaces so that the data is aligned.
    header = {"b": entry("BF16", [2, 3], 0, 12), "f": entry("F8_E4M3", [4], 12, 16)}
    path = tmp_path / "a.safetensors"
    path.write_bytes(safetensors_bytes(json.dumps(header).encode() + b"   ", bytes(range(16))))
    tensors = read(path)
    assert tensors["b"].type == "BF16"
    assert tensors["b"].read_rows(1, 2).tobytes() == bytes(range(6, 12))
    assert tensors["f"].read_rows(0, 1).tobytes() == bytes(range(12, 16))


GOOD = entry("F32", [2], 0, 8)
E8, ENTRY = bytes(8), "an object of 'dtype', 'shape' and 'data_offsets'"
BROKEN: dict[str, tuple[bytes, type[WebGemmaError], str]] = {
    "shorter than a length": (
        bytes(7),
        FormatError,
        "size: got 7 bytes, expected at least 8." + AGAIN,
    ),
    "header length 2^63": (
        safetensors_bytes({}, header_nbytes=2**63),
        FormatError,
        "header length, byte 0: got 9,223,372,036,854,775,808, expected at most 2." + AGAIN,
    ),
    "header longer than the file": (
        safetensors_bytes({}, E8, header_nbytes=11),
        FormatError,
        "header length, byte 0: got 11, expected at most 10." + AGAIN,
    ),
    "empty header": (
        safetensors_bytes(b""),
        FormatError,
        "header, byte 8: got b'', expected a JSON object." + AGAIN,
    ),
    "header is a list": (
        safetensors_bytes(b"[]"),
        FormatError,
        "header, byte 8: got b'[]', expected a JSON object." + AGAIN,
    ),
    "header is cut": (
        safetensors_bytes(b'{"t": {"dtype"'),
        FormatError,
        "byte 22: got no JSON (expecting ':' delimiter), expected JSON." + AGAIN,
    ),
    "a tensor twice": (
        safetensors_bytes(b'{"t": 1, "t": 2}'),
        FormatError,
        "got the key 't' twice, expected plain JSON." + AGAIN,
    ),
    "metadata of numbers": (
        safetensors_bytes({"__metadata__": {"a": 1}}),
        FormatError,
        "'__metadata__': got {'a': 1}, expected an object of strings." + AGAIN,
    ),
    "an entry is a number": (
        safetensors_bytes({"t": 1}),
        FormatError,
        f"tensor 't': got 1, expected {ENTRY}." + AGAIN,
    ),
    "an entry lacks its shape": (
        safetensors_bytes({"t": {"dtype": "F32", "data_offsets": [0, 8]}}, E8),
        FormatError,
        f"tensor 't': got ['dtype', 'data_offsets'], expected {ENTRY}." + AGAIN,
    ),
    "an empty name": (
        safetensors_bytes({"": GOOD}, E8),
        FormatError,
        "name of a tensor: got '', expected 1 to 512 printable characters." + AGAIN,
    ),
    "a name with a newline": (
        safetensors_bytes({"a\nb": GOOD}, E8),
        FormatError,
        "name of a tensor: got 'a\\nb', expected 1 to 512 printable characters." + AGAIN,
    ),
    "unknown dtype": (
        safetensors_bytes({"t": entry("F4", [2], 0, 1)}, E8),
        UnsupportedError,
        "tensor 't': dtype 'F4' is not supported (have BOOL, U8, I8, F8_E4M3, F8_E5M2, F8_E8M0, "
        "F8_E4M3FNUZ, F8_E5M2FNUZ, U16, I16, F16, BF16, U32, I32, F32, U64, I64, F64, C64). "
        "Save the model as BF16, F16 or F32.",
    ),
    "dtype is a number": (
        safetensors_bytes({"t": entry(4, [2], 0, 8)}, E8),
        FormatError,
        "tensor 't': dtype: got 4, expected a name." + AGAIN,
    ),
    "shape is a number": (
        safetensors_bytes({"t": entry("F32", 2, 0, 8)}, E8),
        FormatError,
        "tensor 't': shape: got 2, expected a list of at most 8 sizes." + AGAIN,
    ),
    "a negative size": (
        safetensors_bytes({"t": entry("F32", [-2, -1], 0, 8)}, E8),
        FormatError,
        "tensor 't': shape: got [-2, -1], expected a list of at most 8 sizes." + AGAIN,
    ),
    "a size is a float": (
        safetensors_bytes({"t": entry("F32", [2.0], 0, 8)}, E8),
        FormatError,
        "tensor 't': shape: got [2.0], expected a list of at most 8 sizes." + AGAIN,
    ),
    "a size is a boolean": (
        safetensors_bytes({"t": entry("F32", [True], 0, 4)}, bytes(4)),
        FormatError,
        "tensor 't': shape: got [True], expected a list of at most 8 sizes." + AGAIN,
    ),
    "nine dimensions": (
        safetensors_bytes({"t": entry("F32", [1] * 9, 0, 4)}, bytes(4)),
        FormatError,
        "tensor 't': shape: got [1, 1, 1, 1, 1, 1, 1, 1, 1], expected a list of at most 8 sizes."
        + AGAIN,
    ),
    "no elements": (
        safetensors_bytes({"t": entry("F32", [2, 0], 0, 0)}),
        UnsupportedError,
        "tensor 't': shape [2, 0] has no elements, which is not supported. "
        "Save the model without empty tensors.",
    ),
    "sizes whose product wraps": (
        safetensors_bytes({"t": entry("F32", [2**62, 4], 0, 8)}, E8),
        FormatError,
        "tensor 't': data_offsets: got 8 bytes, expected 73,786,976,294,838,206,464 for "
        "F32 [4611686018427387904, 4]." + AGAIN,
    ),
    "more bytes than the shape needs": (
        safetensors_bytes({"t": entry("F32", [1], 0, 8)}, E8),
        FormatError,
        "tensor 't': data_offsets: got 8 bytes, expected 4 for F32 [1]." + AGAIN,
    ),
    "offsets the wrong way round": (
        safetensors_bytes({"t": entry("F32", [2], 8, 0)}, E8),
        FormatError,
        "tensor 't': data_offsets: got [8, 0], expected [begin, end]." + AGAIN,
    ),
    "a negative offset": (
        safetensors_bytes({"t": entry("F32", [2], -8, 0)}, E8),
        FormatError,
        "tensor 't': data_offsets: got [-8, 0], expected [begin, end]." + AGAIN,
    ),
    "past the end": (
        safetensors_bytes({"t": GOOD}, bytes(7)),
        FormatError,
        "tensor 't': data_offsets: got bytes 69 to 77, expected an end within the file's 76 bytes."
        + AGAIN,
    ),
    "overlap": (
        safetensors_bytes({"t": GOOD, "u": entry("F32", [2], 4, 12)}, bytes(12)),
        FormatError,
        "tensor 'u': data_offsets: got a start at byte 135, which overlaps the tensor before it, "
        "expected byte 139." + AGAIN,
    ),
    "hole": (
        safetensors_bytes({"t": GOOD, "u": entry("F32", [2], 12, 20)}, bytes(20)),
        FormatError,
        "tensor 'u': data_offsets: got a start at byte 144, which leaves a hole before it, "
        "expected byte 140." + AGAIN,
    ),
    "a rest": (
        safetensors_bytes({"t": GOOD}, bytes(9)),
        FormatError,
        "byte 77: got 1 bytes after the last tensor, expected the file's end at byte 77." + AGAIN,
    ),
}


STRICTER = {"an empty name", "a name with a newline", "nine dimensions"}
"""What safetensors itself takes."""


@pytest.mark.parametrize("name", BROKEN)
def test_refuses(tmp_path: Path, name: str) -> None:
    data, error, message = BROKEN[name]
    path = tmp_path / "a.safetensors"
    path.write_bytes(data)
    with pytest.raises(WebGemmaError) as caught:
        read(path)
    assert type(caught.value) is error
    assert str(caught.value) == f"{path}: {message}"
    if error is FormatError and name not in STRICTER:
        with pytest.raises(safetensors.SafetensorError):
            safetensors.safe_open(path, "numpy")


def test_a_header_over_the_cap(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", 100_000_001) + b"{}")
    os.truncate(path, 200_000_000)
    with pytest.raises(FormatError) as caught:
        read(path)
    assert str(caught.value) == (
        f"{path}: header length, byte 0: got 100,000,001, expected at most 100,000,000.{AGAIN}"
    )


def test_memory_does_not_grow_with_the_model(tmp_path: Path) -> None:
    # A sparse file: 16 GiB of one tensor that takes no space on the disk.
    rows, row_nbytes = 1 << 20, 1 << 14
    head = safetensors_bytes({"t": entry("BF16", [rows, row_nbytes // 2], 0, rows * row_nbytes)})
    path = tmp_path / "a.safetensors"
    path.write_bytes(head)
    os.truncate(path, len(head) + rows * row_nbytes)
    tracemalloc.start()
    assert not read(path)["t"].read_rows(rows - 16, rows).any()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20
