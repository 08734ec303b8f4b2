"""Hugging Face model folders: config.json, safetensors with or without an index, a tokenizer."""

from __future__ import annotations

from pathlib import Path

from webgemma.checkpoint import Checkpoint
from webgemma.errors import ConfigError, UnsupportedError
from webgemma.sources.files import SourceFile, broken, shown, shown_value
from webgemma.sources.json_reader import read_json_object
from webgemma.sources.licences import read_licences
from webgemma.sources.model_folder import (
    PLAIN_NAME,
    architecture_of,
    name_of,
    optional_json,
    read_tokenizer,
)
from webgemma.sources.safetensors_file import read_safetensors
from webgemma.sources.templates import read_folder_template
from webgemma.sources.tensor import FileTensor

MAX_INDEX_NBYTES = 64 << 20
MAX_SHARDS = 1_000
INDEX_NAME = "model.safetensors.index.json"
SINGLE_NAME = "model.safetensors"
_PICKLE_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt")


def open_huggingface(folder: Path) -> Checkpoint:
    """Open a Hugging Face folder.

    Raises:
        FormatError: a file is broken, or files contradict each other.
        UnsupportedError: the weights are pickled, or of a type that is not known.
        ConfigError: a file is missing or cannot be read.
    """
    config = read_json_object(folder / "config.json")
    files, tensors = _read_weights(folder)
    tokenizer_config = optional_json(folder / "tokenizer_config.json")
    return Checkpoint(
        path=folder,
        format="safetensors",
        files=files,
        architecture=architecture_of(folder / "config.json", config),
        metadata=config,
        tensors=tensors,
        tokenizer=read_tokenizer(folder, tokenizer_config),
        chat_template=read_folder_template(folder, tokenizer_config),
        generation_config=optional_json(folder / "generation_config.json"),
        licence_files=read_licences(folder),
        name=name_of(folder),
    )


def _read_weights(folder: Path) -> tuple[tuple[Path, ...], dict[str, FileTensor]]:
    """(the files in order, the tensors by name)."""
    single = folder / SINGLE_NAME
    if single.is_file():
        tensors = read_safetensors(SourceFile.at(single))
        files: tuple[Path, ...] = (single,)
    elif (folder / INDEX_NAME).is_file():
        files, tensors = _read_shards(folder)
    else:
        raise _no_weights(folder)
    if not tensors:
        raise broken(files[0], "header", "no tensors", "the model's weights")
    return files, tensors


def _no_weights(folder: Path) -> ConfigError | UnsupportedError:
    pickles = sorted(p.name for p in folder.iterdir() if p.suffix in _PICKLE_SUFFIXES)
    if pickles:
        return UnsupportedError(
            f"{folder}: pickled weights ({shown(pickles[0])}) are not supported, as they can run "
            "code when they are read (have safetensors). Save the model with safetensors."
        )
    return ConfigError(
        f"{folder}: no weights: got neither {SINGLE_NAME} nor {INDEX_NAME}, expected one. "
        "Fetch the model's safetensors files into the folder."
    )


def _read_shards(folder: Path) -> tuple[tuple[Path, ...], dict[str, FileTensor]]:
    """Read the shards that the index names, and check that index and shards agree."""
    index = folder / INDEX_NAME
    weight_map = _weight_map(index)
    names = sorted(set(weight_map.values()))
    if len(names) > MAX_SHARDS:
        raise broken(index, "key 'weight_map'", f"{len(names):,} files", f"at most {MAX_SHARDS:,}")
    tensors: dict[str, FileTensor] = {}
    for name in names:
        for tensor in read_safetensors(SourceFile.at(folder / name)).values():
            if weight_map.get(tensor.name) != name:
                got = shown_value(weight_map.get(tensor.name))
                expected = f"{index.name} to list it there"
                raise broken(tensor.where, "", f"{got} in the index", expected)
            tensors[tensor.name] = tensor
    missing = sorted(weight_map.keys() - tensors.keys())
    if missing:
        what = f"tensor {shown(missing[0])}"
        raise broken(index, what, "nothing", f"it in {weight_map[missing[0]]}, as listed")
    return tuple(folder / name for name in names), tensors


def _weight_map(index: Path) -> dict[str, str]:
    """Tensor name -> plain file name."""
    weight_map = read_json_object(index, MAX_INDEX_NBYTES).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise broken(index, "key 'weight_map'", shown_value(weight_map), "an object of file names")
    for tensor, file in weight_map.items():
        where = f"tensor {shown(tensor)}"
        if not isinstance(file, str) or not PLAIN_NAME.fullmatch(file) or ".." in file:
            raise broken(index, where, shown_value(file), "a plain file name in the same folder")
        if not file.endswith(".safetensors"):
            raise UnsupportedError(
                f"{index}: {where}: the file {shown(file)} is not supported (have safetensors). "
                "Save the model with safetensors."
            )
    return weight_map
