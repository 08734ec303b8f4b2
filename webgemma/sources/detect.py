"""Opens a model by what is there: the first bytes of a file, the contents of a folder."""

from __future__ import annotations

from pathlib import Path

from webgemma.checkpoint import Checkpoint
from webgemma.errors import ConfigError, FormatError, UnsupportedError, WebGemmaError
from webgemma.sources.files import SourceFile, unreadable
from webgemma.sources.gguf import open_gguf
from webgemma.sources.gguf_header import MAGIC
from webgemma.sources.huggingface import INDEX_NAME, SINGLE_NAME, open_huggingface
from webgemma.sources.mlc import is_mlc, open_mlc

HEAD_NBYTES = 64
_OLD_GGML_MAGICS = (b"lmgg", b"tjgg", b"fmgg", b"algg")  # ggml, ggjt, ggmf, ggla read as u32
_HAVE = "(have .gguf files, Hugging Face folders with safetensors, and MLC folders)"


def open_checkpoint(path: Path) -> Checkpoint:
    """Open a GGUF file, a Hugging Face folder or an MLC folder; tensors stay in their files.

    Args:
        path: a .gguf file (of a split model, any part), a folder with config.json, or one with
            MLC's tensor cache.

    Raises:
        FormatError: a file is broken.
        UnsupportedError: a kind of model that webgemma does not read.
        ConfigError: there is nothing to read.
    """
    try:
        return _open_folder(path) if path.is_dir() else _open_file(path)
    except (OSError, ValueError) as error:
        if isinstance(error, WebGemmaError):
            raise
        raise unreadable(path, error) from error


def _open_file(path: Path) -> Checkpoint:
    source = SourceFile.at(path)
    head = source.read(0, min(HEAD_NBYTES, source.nbytes)).tobytes()
    if head.startswith(MAGIC):
        return open_gguf(path)
    raise _explain_file(path, head)


def _open_folder(folder: Path) -> Checkpoint:
    has_safetensors = any((folder / name).is_file() for name in (SINGLE_NAME, INDEX_NAME))
    if is_mlc(folder) and not has_safetensors:
        return open_mlc(folder)
    if (folder / "config.json").is_file():
        return open_huggingface(folder)
    names = sorted(p.name for p in folder.iterdir())
    ggufs = [name for name in names if name.endswith(".gguf")]
    if ggufs:
        raise ConfigError(
            f"{folder}: got a folder with {len(ggufs)} .gguf file(s), expected one file. "
            f"Give the file itself, for example {folder / ggufs[0]}."
        )
    raise ConfigError(
        f"{folder}: got a folder without config.json, expected a Hugging Face model folder. "
        "Give a .gguf file, a folder with config.json and safetensors, or one with MLC weights."
    )


def _explain_file(path: Path, head: bytes) -> WebGemmaError:
    """The error for a file that is not GGUF: what it seems to be, and what to do."""
    if not head:
        return FormatError(f"{path}: got an empty file, expected a model. Fetch it again.")
    if head.startswith(b"version https://git-lfs"):
        return FormatError(
            f"{path}: got a Git LFS pointer, expected the file it points to. Run `git lfs pull`."
        )
    if head.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")):
        return UnsupportedError(
            f"{path}: pickled weights are not supported, as they can run code when they are read "
            f"{_HAVE}. Save the model with safetensors."
        )
    if head.startswith(_OLD_GGML_MAGICS):
        return UnsupportedError(
            f"{path}: a GGML file from before GGUF is not supported {_HAVE}. "
            "Convert the model again with a current llama.cpp."
        )
    if head[8:9] == b"{":
        return ConfigError(
            f"{path}: got one safetensors file, expected the folder it belongs to. "
            f"Give {path.parent}, with config.json and the tokenizer in it."
        )
    return FormatError(
        f"{path}: magic, byte 0: got {head[:4]!r}, expected {MAGIC!r}. "
        "Give a .gguf file, or a Hugging Face or MLC folder."
    )
