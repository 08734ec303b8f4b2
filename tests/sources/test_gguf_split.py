from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from tests.support.raw_gguf import (
    ARCHITECTURE,
    I32,
    STRING,
    U16,
    U32,
    gguf_bytes,
    key_value,
    tensor_info,
)
from webgemma.errors import ConfigError, FormatError, WebGemmaError
from webgemma.sources import open_checkpoint

AGAIN = " The file is damaged or incomplete; fetch it again."
NAMES = " Give the parts the names they were published with."


def part(number: int, count: int, total: int, *more: bytes, name: str | None = None) -> bytes:
    """The bytes of one part with one tensor."""
    keys = [
        *([ARCHITECTURE] if number == 0 else []),
        key_value("split.no", U16, number),
        key_value("split.count", U16, count),
        key_value("split.tensors.count", I32, total),
        *more,
    ]
    data = bytes([number + 1]) * 32
    return gguf_bytes(keys, [tensor_info(name or f"t{number}")], data)


def write_parts(folder: Path, *parts: bytes) -> list[Path]:
    """Write parts under their names."""
    count = len(parts)
    paths = [folder / f"m-{i + 1:05}-of-{count:05}.gguf" for i in range(count)]
    for path, data in zip(paths, parts, strict=True):
        path.write_bytes(data)
    return paths


def test_any_part_opens_the_model(tmp_path: Path) -> None:
    paths = write_parts(tmp_path, *(part(i, 3, 3) for i in range(3)))
    for path in paths:
        checkpoint = open_checkpoint(path)
        assert checkpoint.files == tuple(paths)
        assert checkpoint.architecture == "gemma"
        assert checkpoint.name == "m"
        assert list(checkpoint.tensors) == ["t0", "t1", "t2"]
        for number, tensor in enumerate(checkpoint.tensors.values()):
            assert tensor.read_rows(0, 1).tobytes() == bytes([number + 1]) * 32
            assert tensor.where == f"{paths[number]}: tensor 't{number}'"


def test_parts_that_gguf_py_writes(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    writer = gguf.GGUFWriter(path, "gemma", split_max_tensors=2)
    writer.add_uint32("gemma.block_count", 3)
    values = np.random.default_rng(0).standard_normal((5, 4, 32)).astype(np.float32)
    for index, tensor in enumerate(values):
        writer.add_tensor(f"t{index}", tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    checkpoint = open_checkpoint(tmp_path / "m-00002-of-00003.gguf")
    assert checkpoint.metadata["gemma.block_count"] == 3
    for index, expected in enumerate(values):
        tensor = checkpoint.tensors[f"t{index}"]
        np.testing.assert_array_equal(tensor.read_rows(0, 4).view(np.float32), expected)


def test_one_of_one_needs_no_split_keys(tmp_path: Path) -> None:
    path = tmp_path / "m-00001-of-00001.gguf"
    path.write_bytes(gguf_bytes())
    assert open_checkpoint(path).files == (path,)


Broken = Callable[[list[Path]], object]
BROKEN: dict[str, tuple[Broken, type[WebGemmaError], str]] = {
    "a part is missing": (
        lambda p: p[1].unlink(),
        ConfigError,
        "{0}: part m-00002-of-00003.gguf is missing: got 2 of 3 parts in the folder. "
        "Fetch the others into it.",
    ),
    "parts swapped": (
        lambda p: (p[1].write_bytes(part(2, 3, 3)), p[2].write_bytes(part(1, 3, 3))),
        FormatError,
        "{1}: key 'split.no': got 2, expected 1, as the file's name says." + NAMES,
    ),
    "another count": (
        lambda p: p[1].write_bytes(part(1, 4, 3)),
        FormatError,
        "{1}: key 'split.count': got 4, expected 3, as the file's name says." + NAMES,
    ),
    "no count": (
        lambda p: p[1].write_bytes(gguf_bytes()),
        FormatError,
        "{1}: key 'split.count': got nothing, expected 3, as the file's name says." + NAMES,
    ),
    "count is text": (
        lambda p: p[0].write_bytes(gguf_bytes([key_value("split.count", STRING, "3")])),
        FormatError,
        "{0}: key 'split.count': got '3', expected 3, as the file's name says." + NAMES,
    ),
    "another number of tensors": (
        lambda p: p[0].write_bytes(part(0, 3, 4)),
        FormatError,
        "{0}: key 'split.tensors.count': got 4, expected 3, the tensors found in 3 part(s)."
        + AGAIN,
    ),
    "a tensor in two parts": (
        lambda p: p[2].write_bytes(part(2, 3, 3, name="t0")),
        FormatError,
        "{2}: tensor 't0': got the name a second time, expected every name once "
        "(it is in m-00001-of-00003.gguf too)." + AGAIN,
    ),
    "parts of different models": (
        lambda p: p[2].write_bytes(part(2, 3, 3, key_value("gemma.block_count", U32, 9))),
        FormatError,
        "{2}: key 'gemma.block_count': got 9, expected the same as in m-00001-of-00003.gguf."
        + AGAIN,
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_parts_that_do_not_fit(tmp_path: Path, name: str) -> None:
    change, error, message = BROKEN[name]
    paths = write_parts(tmp_path, *(part(i, 3, 3) for i in range(3)))
    change(paths)
    with pytest.raises(WebGemmaError) as caught:
        open_checkpoint(paths[0])
    assert type(caught.value) is error
    assert str(caught.value) == message.format(*paths)


@pytest.mark.parametrize(
    ("name", "got"),
    [
        ("m-00004-of-00003.gguf", "part 4 of 3"),
        ("m-00000-of-00003.gguf", "part 0 of 3"),
        ("m-00001-of-99999.gguf", "part 1 of 99999"),
    ],
)
def test_numbers_in_the_name(tmp_path: Path, name: str, got: str) -> None:
    path = tmp_path / name
    path.write_bytes(part(0, 3, 3))
    with pytest.raises(FormatError) as caught:
        open_checkpoint(path)
    assert str(caught.value) == (
        f"{path}: name: got {got}, expected a part from 1 to the count, at most 1,000. "
        "Rename the file."
    )


def test_a_renamed_part_alone(tmp_path: Path) -> None:
    paths: list[Any] = write_parts(tmp_path, *(part(i, 3, 3) for i in range(3)))
    path = tmp_path / "model.gguf"
    shutil.copy(paths[0], path)
    with pytest.raises(FormatError) as caught:
        open_checkpoint(path)
    assert str(caught.value) == (
        f"{path}: key 'split.count': got 3, expected 1, as the file's name says." + NAMES
    )
