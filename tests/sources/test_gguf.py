from __future__ import annotations

import os
import struct
import time
import tracemalloc
from pathlib import Path

import gguf
import numpy as np
import pytest

from tests.support.make_gguf import write_gguf
from tests.support.raw_gguf import (
    ARCHITECTURE,
    ARRAY,
    F32,
    I32,
    STRING,
    U8,
    U32,
    array,
    gguf_bytes,
    key_value,
    tensor_info,
    text,
)
from webgemma.errors import FormatError
from webgemma.sources import open_checkpoint
from webgemma.sources.tensor import FileTensor

FIXTURES = Path(__file__).parent.parent / "fixtures"


def rows_of(tensor: object) -> np.ndarray:
    assert isinstance(tensor, FileTensor)
    return tensor.read_rows(0, tensor.num_rows)


@pytest.mark.parametrize("name", ["gemma-Q4_1", "gemma2-Q4_K", "gemma2-F16"])
def test_reads_what_gguf_py_reads(name: str) -> None:
    path = FIXTURES / f"{name}.gguf"
    checkpoint, reader = open_checkpoint(path), gguf.GGUFReader(path)
    theirs = {k: f.contents() for k, f in reader.fields.items() if not k.startswith("GGUF.")}
    assert list(checkpoint.metadata) == list(theirs)
    for key, value in checkpoint.metadata.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, np.array(theirs[key], value.dtype))
        else:
            assert value == theirs[key], key
            assert type(value) is type(theirs[key])
    assert list(checkpoint.tensors) == [t.name for t in reader.tensors]
    for expected in reader.tensors:
        tensor = checkpoint.tensors[expected.name]
        assert tensor.type == expected.tensor_type.name
        assert tensor.shape == tuple(int(n) for n in reversed(expected.shape))
        assert tensor.nbytes == expected.n_bytes
        assert tensor.where == f"{path}: tensor '{expected.name}'"
        assert rows_of(tensor).tobytes() == expected.data.tobytes()


def test_checkpoint_of_a_file() -> None:
    path = FIXTURES / "gemma2-Q4_K.gguf"
    checkpoint = open_checkpoint(path)
    assert checkpoint.path == path
    assert checkpoint.format == "gguf"
    assert checkpoint.files == (path,)
    assert checkpoint.architecture == "gemma2"
    assert checkpoint.name == "holdout-gemma2-fixture"
    assert checkpoint.chat_template is None
    assert checkpoint.licence_files == {}
    tokenizer = checkpoint.tokenizer
    assert tokenizer.sentencepiece is None
    assert tokenizer.tokenizer_json is None
    assert tokenizer.gguf is not None
    assert all(key.startswith("tokenizer.") for key in tokenizer.gguf)
    assert len(tokenizer.gguf["tokenizer.ggml.tokens"]) == 1024
    assert tokenizer.gguf["tokenizer.ggml.scores"].dtype == np.float32


def test_reads_a_range_of_rows() -> None:
    checkpoint = open_checkpoint(FIXTURES / "gemma-Q4_1.gguf")
    tensor = checkpoint.tensors["blk.1.ffn_up.weight"]
    everything = rows_of(tensor)
    assert everything.shape == (512, 160)
    np.testing.assert_array_equal(tensor.read_rows(100, 103), everything[100:103])
    assert tensor.read_rows(7, 7).shape == (0, 160)
    assert rows_of(checkpoint.tensors["output_norm.weight"]).shape == (1, 1024)


def test_every_kind_of_value(tmp_path: Path) -> None:
    scalars = {
        "u8": np.uint8(200), "i8": np.int8(-100), "u16": np.uint16(60_000),
        "i16": np.int16(-30_000), "u32": np.uint32(4_000_000_000), "i32": np.int32(-5),
        "u64": np.uint64(2**63), "i64": np.int64(-(2**60)), "f32": np.float32(0.1),
        "f64": np.float64(0.1),
    }  # fmt: skip
    plain = {"yes": True, "no": False, "text": "🙂 \n", "list": ["a", "", "é"]}
    path = write_gguf(
        tmp_path / "a.gguf", "gemma", {**scalars, **plain}, {"t": np.ones(8, np.float32)}
    )
    metadata = open_checkpoint(path).metadata
    for key, value in scalars.items():
        assert metadata[key] == value.item()
        assert type(metadata[key]) is type(value.item())
    for key, value in plain.items():
        assert metadata[key] == value
        assert type(metadata[key]) is type(value)


def test_arrays_of_numbers_and_booleans(tmp_path: Path) -> None:
    path = write_gguf(
        tmp_path / "a.gguf",
        "gemma",
        {"ints": [1, -2], "floats": [0.5, -0.0], "bools": [True, False]},
        {"t": np.ones(8, np.float32)},
    )
    metadata = open_checkpoint(path).metadata
    assert metadata["ints"].dtype == np.int32
    assert metadata["ints"].tolist() == [1, -2]
    assert str(metadata["floats"].tolist()) == "[0.5, -0.0]"
    assert metadata["bools"].tolist() == [True, False]
    with pytest.raises(ValueError, match="read-only"):
        metadata["ints"][0] = 3


@pytest.mark.parametrize("shape", [(8,), (1, 1), (3, 8), (2, 3, 8), (2, 3, 4, 8)])
def test_every_number_of_dimensions(tmp_path: Path, shape: tuple[int, ...]) -> None:
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    path = write_gguf(tmp_path / "a.gguf", "gemma", {}, {"t": values, "u": values[..., :1]})
    tensor = open_checkpoint(path).tensors["t"]
    assert tensor.shape == shape
    np.testing.assert_array_equal(rows_of(tensor).view(np.float32).reshape(shape), values)


def test_types_that_gguf_py_quantizes(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal((4, 64)).astype(np.float32)
    kinds = ("F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0")
    path = write_gguf(tmp_path / "a.gguf", "gemma", {}, {kind: (kind, values) for kind in kinds})
    tensors = open_checkpoint(path).tensors
    for kind in kinds:
        expected = gguf.quants.quantize(values, gguf.GGMLQuantizationType[kind])
        assert tensors[kind].type == kind
        assert tensors[kind].shape == (4, 64)
        assert rows_of(tensors[kind]).tobytes() == expected.tobytes()


def test_a_type_that_nothing_supports_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(gguf_bytes(tensors=[tensor_info("t", (256,), 29)], data=bytes(64)))
    assert open_checkpoint(path).tensors["t"].type == "IQ1_M"


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("alignment", [8, 32, 4096])
def test_versions_and_alignments(tmp_path: Path, version: int, alignment: int) -> None:
    step = max(alignment, 32)
    first, second = struct.pack("<8f", *range(8)), struct.pack("<8f", *range(8, 16))
    data = second.ljust(step, b"\0") + first  # the last tensor's padding may be missing
    path = tmp_path / "a.gguf"
    path.write_bytes(
        gguf_bytes(
            [ARCHITECTURE, key_value("general.alignment", U32, alignment)],
            [tensor_info("first", offset=step), tensor_info("second", offset=0)],
            data,
            version=version,
            alignment=alignment,
        )
    )
    tensors = open_checkpoint(path).tensors
    assert list(tensors) == ["first", "second"]
    assert rows_of(tensors["first"]).tobytes() == first
    assert rows_of(tensors["second"]).tobytes() == second


def test_chat_template_and_name(tmp_path: Path) -> None:
    metadata = {"tokenizer.chat_template": "{{ bos_token }}", "general.name": " A model "}
    path = write_gguf(tmp_path / "a.gguf", "gemma", metadata, {"t": np.ones(8, np.float32)})
    checkpoint = open_checkpoint(path)
    assert checkpoint.chat_template == "{{ bos_token }}"
    assert checkpoint.name == "A model"


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 201])
def test_a_name_that_cannot_be_shown_gives_way_to_the_files(tmp_path: Path, name: str) -> None:
    path = tmp_path / "my model.gguf"
    path.write_bytes(gguf_bytes([ARCHITECTURE, key_value("general.name", STRING, name)]))
    assert open_checkpoint(path).name == "my model"


def test_licences_beside_a_file_that_is_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(gguf_bytes())
    (tmp_path / "LICENSE").write_text("terms")
    (tmp_path / "README.md").write_text("card")
    (tmp_path / ".cache").mkdir()
    assert open_checkpoint(path).licence_files == {"LICENSE": b"terms", "README.md": b"card"}
    (tmp_path / "other.gguf").write_bytes(b"")
    assert open_checkpoint(path).licence_files == {}, "they may be the other file's"


def test_strings_across_windows(tmp_path: Path) -> None:
    # Three MiB of strings of every length: some lie across the ends of the reader's window.
    words = ["é" * (i % 1_000) for i in range(3_200)]
    payload = array(STRING, b"".join(map(text, words)), len(words))
    path = tmp_path / "a.gguf"
    path.write_bytes(
        gguf_bytes([ARCHITECTURE, key_value("k", ARRAY, payload), key_value("n", U32, 7)])
    )
    metadata = open_checkpoint(path).metadata
    assert metadata["k"] == words
    assert metadata["n"] == 7


def test_a_vocabulary_of_256_000_opens_in_time(tmp_path: Path) -> None:
    count = 256_000
    tokens = array(STRING, b"".join(text(f"piece {i}") for i in range(count)), count)
    scores = array(F32, np.arange(count, dtype="<f4").tobytes(), count)
    types = array(I32, np.ones(count, "<i4").tobytes(), count)
    path = tmp_path / "a.gguf"
    keys = [("tokens", tokens), ("scores", scores), ("token_type", types)]
    path.write_bytes(
        gguf_bytes([ARCHITECTURE, *(key_value(f"tokenizer.ggml.{k}", ARRAY, v) for k, v in keys)])
    )
    started = time.process_time()
    checkpoint = open_checkpoint(path)
    seconds = time.process_time() - started
    assert checkpoint.metadata["tokenizer.ggml.tokens"][-1] == "piece 255999"
    assert checkpoint.metadata["tokenizer.ggml.scores"][-1] == 255_999
    assert seconds < 5, f"took {seconds:.2f} s of processor time"


def test_decoded_metadata_is_bounded(tmp_path: Path) -> None:
    # One character beyond U+FFFF makes Python keep all of a string in four bytes a character.
    big = text(b"x" * ((16 << 20) - 4) + "🙂".encode())
    path = tmp_path / "a.gguf"
    path.write_bytes(gguf_bytes([key_value(f"k{i}", STRING, big) for i in range(5)]))
    with pytest.raises(FormatError) as caught:
        open_checkpoint(path)
    assert str(caught.value) == (
        f"{path}: metadata, byte 67,108,976: got over 268,435,456 bytes once decoded, expected "
        "less. The file is damaged or incomplete; fetch it again."
    )


def test_memory_does_not_grow_with_the_model(tmp_path: Path) -> None:
    # A sparse file: 16 GiB of one tensor that takes no space on the disk.
    rows, row_nbytes = 1 << 20, 1 << 14
    path = tmp_path / "a.gguf"
    head = gguf_bytes(tensors=[tensor_info("t", (row_nbytes // 4, rows))], data=b"")
    path.write_bytes(head)
    os.truncate(path, len(head) + rows * row_nbytes)
    tracemalloc.start()
    tensor = open_checkpoint(path).tensors["t"]
    assert not tensor.read_rows(0, 16).any()
    assert not tensor.read_rows(rows - 16, rows).any()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


def test_a_file_that_shrinks_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    data = gguf_bytes()
    path.write_bytes(data)
    tensor = open_checkpoint(path).tensors["t"]
    path.write_bytes(data[:-1])
    with pytest.raises(FormatError) as caught:
        tensor.read_rows(0, 1)
    assert str(caught.value) == (
        f"{path}: the file changed while it was read: got 159 bytes, expected 160 and no change "
        "since it was opened. Wait until it is complete, then start again."
    )


def test_an_array_of_the_wrong_type_keeps_its_type(tmp_path: Path) -> None:
    # What the tokenizer then refuses: tokens that are numbers.
    path = tmp_path / "a.gguf"
    tokens = key_value("tokenizer.ggml.tokens", ARRAY, array(U8, b"\1\2", 2))
    path.write_bytes(gguf_bytes([ARCHITECTURE, tokens]))
    gguf_keys = open_checkpoint(path).tokenizer.gguf
    assert gguf_keys is not None
    assert gguf_keys["tokenizer.ggml.tokens"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("architecture", "key", "expected"),
    [("gemma", None, False), ("gemma3", None, False), ("gemma", True, True), ("llama", None, None)],
)
def test_gemmas_texts_begin_with_no_space_of_ours(
    architecture: str, key: bool | None, expected: bool | None, tmp_path: Path
) -> None:
    """Early files of Gemma leave the key out, which for others means that a space is put first."""
    name = "tokenizer.ggml.add_space_prefix"
    metadata = {} if key is None else {name: key}
    path = write_gguf(tmp_path / "a.gguf", architecture, metadata, {"x": np.ones(1, np.float32)})
    checkpoint = open_checkpoint(path)
    assert (checkpoint.tokenizer.gguf or {}).get(name) is expected
    assert set(checkpoint.metadata) - {"general.architecture"} == set(metadata)
