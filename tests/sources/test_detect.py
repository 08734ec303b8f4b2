from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.raw_gguf import gguf_bytes
from webgemma.errors import ConfigError, FormatError, UnsupportedError, WebGemmaError
from webgemma.sources import open_checkpoint

HAVE = "(have .gguf files, Hugging Face folders with safetensors, and MLC folders)"
FILES: dict[str, tuple[bytes, type[WebGemmaError], str]] = {
    "empty": (b"", FormatError, "got an empty file, expected a model. Fetch it again."),
    "text": (
        b"hello, world",
        FormatError,
        "magic, byte 0: got b'hell', expected b'GGUF'. Give a .gguf file, or a Hugging Face or MLC "
        "folder.",
    ),
    "lfs pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
        FormatError,
        "got a Git LFS pointer, expected the file it points to. Run `git lfs pull`.",
    ),
    "pickle": (
        b"PK\x03\x04" + bytes(100),
        UnsupportedError,
        f"pickled weights are not supported, as they can run code when they are read {HAVE}. "
        "Save the model with safetensors.",
    ),
    "old ggml": (
        b"tjgg" + bytes(100),
        UnsupportedError,
        f"a GGML file from before GGUF is not supported {HAVE}. "
        "Convert the model again with a current llama.cpp.",
    ),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("suffix", [".gguf", ".safetensors", ""])
def test_a_file_that_is_no_model(tmp_path: Path, name: str, suffix: str) -> None:
    data, error, message = FILES[name]
    path = tmp_path / f"model{suffix}"
    path.write_bytes(data)
    check(path, error, f"{path}: {message}")


def test_the_suffix_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(gguf_bytes())
    assert open_checkpoint(path).format == "gguf"


def test_one_safetensors_file(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"\2\0\0\0\0\0\0\0{}")
    check(
        path,
        ConfigError,
        f"{path}: got one safetensors file, expected the folder it belongs to. "
        f"Give {tmp_path}, with config.json and the tokenizer in it.",
    )


def test_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    check(path, ConfigError, f"{path}: no such file. Check the path.")
    path = tmp_path / "file"
    path.write_bytes(b"")
    path = path / "model.gguf"
    check(path, ConfigError, f"{path}: no such file. Check the path.")


def test_a_name_too_long_for_the_system(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 5_000)
    check(
        path,
        ConfigError,
        f"{path}: cannot be read: File name too long. Check the path and its permissions.",
    )


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    os.mkfifo(path)
    check(path, ConfigError, f"{path}: not a regular file. Give a file of a model.")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf_bytes())
    path.chmod(0)
    check(
        path,
        ConfigError,
        f"{path}: cannot be read: Permission denied. Check the path and its permissions.",
    )


def test_an_empty_folder(tmp_path: Path) -> None:
    check(
        tmp_path,
        ConfigError,
        f"{tmp_path}: got a folder without config.json, expected a Hugging Face model folder. "
        "Give a .gguf file, a folder with config.json and safetensors, or one with MLC weights.",
    )


def test_a_folder_of_gguf_files(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf_bytes())
    check(
        tmp_path,
        ConfigError,
        f"{tmp_path}: got a folder with 1 .gguf file(s), expected one file. "
        f"Give the file itself, for example {path}.",
    )


@pytest.mark.parametrize("name", ["ndarray-cache.json", "tensor-cache.json"])
def test_a_folder_of_mlc_weights_without_its_configuration(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{}")
    path = tmp_path / "mlc-chat-config.json"
    check(tmp_path, ConfigError, f"{path}: no such file. Check the path.")


def check(path: Path, error: type[WebGemmaError], message: str) -> None:
    """Opening `path` raises exactly this error."""
    with pytest.raises(WebGemmaError) as caught:
        open_checkpoint(path)
    assert type(caught.value) is error
    assert str(caught.value) == message
