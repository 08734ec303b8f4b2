"""MLC folders: a tensor cache, mlc-chat-config.json and a tokenizer, under Hugging Face's names.

What MLC fuses (q, k and v; gate and up) is given as the parts a Hugging Face folder has: ranges of
rows. Norms are the gain itself: for Gemma, MLC adds the 1 when it converts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from webgemma.checkpoint import Checkpoint
from webgemma.errors import FormatError
from webgemma.sources.files import broken, shown
from webgemma.sources.json_reader import read_json_object
from webgemma.sources.licences import read_licences
from webgemma.sources.mlc_cache import TensorCache, find_cache, read_cache
from webgemma.sources.mlc_chat import chat_template
from webgemma.sources.mlc_config import (
    CONFIG_NAME,
    Quantization,
    dimension,
    generation_config,
    head_dimension,
    hugging_face_config,
    quantization_of,
)
from webgemma.sources.mlc_tensor import GroupTensor, slice_rows
from webgemma.sources.model_folder import architecture_of, name_of, optional_json, read_tokenizer
from webgemma.sources.templates import check_template, read_folder_template
from webgemma.sources.tensor import FileTensor

PREFIX = "language_model."  # of every name of Gemma 3, which a text-only Hugging Face folder lacks
WORDS_PER_GROUP = 4
CODES, SCALES = ".q_weight", ".q_scale"
FUSED = {"qkv_proj": ("q_proj", "k_proj", "v_proj"), "gate_up_proj": ("gate_proj", "up_proj")}


def is_mlc(folder: Path) -> bool:
    """Whether a folder holds a tensor cache."""
    return find_cache(folder) is not None


def open_mlc(folder: Path) -> Checkpoint:
    """Open a folder of MLC weights.

    Raises:
        FormatError: a file is broken, or files contradict each other.
        UnsupportedError: a quantization or type that is not known.
        ConfigError: a file is missing or cannot be read.
    """
    path = folder / CONFIG_NAME
    chat_config = read_json_object(path)
    config = hugging_face_config(path, chat_config)
    architecture = architecture_of(path, config)
    cache_path = find_cache(folder)
    assert cache_path is not None, "is_mlc comes first"
    cache = read_cache(cache_path)
    tokenizer_config = optional_json(folder / "tokenizer_config.json")
    template = read_folder_template(folder, tokenizer_config)
    if template is None:
        template = check_template(f"{path}: key 'conv_template'", chat_template(chat_config))
    return Checkpoint(
        path=folder,
        format="mlc",
        files=cache.files,
        architecture=architecture,
        metadata=config,
        tensors=_tensors(_Folder(path, config, cache, quantization_of(path, chat_config))),
        tokenizer=read_tokenizer(folder, tokenizer_config),
        chat_template=template,
        generation_config=generation_config(chat_config),
        licence_files=read_licences(folder),
        name=name_of(folder),
        md5=cache.md5,
    )


@dataclass(frozen=True, slots=True)
class _Folder:
    """What tensors are made of."""

    config_path: Path
    config: dict[str, Any]
    cache: TensorCache
    quantization: Quantization

    def in_features(self, module: str) -> int | None:
        """Columns of a linear layer's or the embedding's matrix; None for other modules."""
        kind = module.rpartition(".")[2]
        if kind == "o_proj":
            heads = dimension(self.config_path, self.config, "num_attention_heads")
            return heads * head_dimension(self.config_path, self.config)
        if kind == "down_proj":
            return dimension(self.config_path, self.config, "intermediate_size")
        if kind.endswith("_proj") or kind in ("embed_tokens", "lm_head"):
            return dimension(self.config_path, self.config, "hidden_size")
        return None

    def part_rows(self, module: str, rows: int) -> list[int]:
        """Rows of each part of a fused matrix, in order."""
        if module.endswith("gate_up_proj"):
            return [rows // 2, rows - rows // 2]
        heads, kv = (
            dimension(self.config_path, self.config, f"num_{kind}_heads")
            for kind in ("attention", "key_value")
        )
        head_dim = head_dimension(self.config_path, self.config)
        return [heads * head_dim, kv * head_dim, kv * head_dim]


def _tensors(folder: _Folder) -> dict[str, FileTensor | GroupTensor]:
    """Every tensor under its Hugging Face name."""
    found: dict[str, FileTensor | GroupTensor] = {}
    for tensor in _whole_tensors(folder):
        for part in _unfused(folder, tensor):
            if part.name in found:
                raise broken(tensor.where, "", "the name a second time", "every name once")
            found[part.name] = part
    return found


def _whole_tensors(folder: _Folder) -> Iterator[FileTensor | GroupTensor]:
    """Tensors as MLC has them, codes and scales together."""
    tensors = folder.cache.tensors
    for name, tensor in tensors.items():
        ours = name.removeprefix(PREFIX)
        if name.endswith(SCALES):
            _partner(folder, name, SCALES, CODES)
        elif name.endswith(CODES):
            scales = _partner(folder, name, CODES, SCALES)
            yield _group_tensor(folder, ours.removesuffix(CODES), tensor, scales)
        else:
            yield replace(tensor, name=ours)


def _partner(folder: _Folder, name: str, suffix: str, other: str) -> FileTensor:
    """The scales that belong to codes, or the other way round."""
    partner = folder.cache.tensors.get(name.removesuffix(suffix) + other)
    if partner is None:
        where = f"{folder.cache.path}: tensor {shown(name)}"
        raise broken(where, "", f"no {other[1:]} beside it", "both")
    return partner


def _group_tensor(
    folder: _Folder, module: str, codes: FileTensor, scales: FileTensor
) -> GroupTensor:
    """Put codes and scales together, and check their shapes and types against the model's."""
    how = folder.quantization
    if how.type is None:
        raise broken(codes.where, "", "quantized weights", "floats, as the configuration says")
    if (codes.type, scales.type) != ("U32", how.scale_type):
        got, expected = f"types {codes.type} and {scales.type}", f"U32 and {how.scale_type}"
        raise broken(codes.where, "codes and scales", got, expected)
    is_transposed = how.is_transposed and not module.endswith("embed_tokens")
    shapes = [list(part.shape[::-1] if is_transposed else part.shape) for part in (codes, scales)]
    if any(len(shape) != 2 for shape in shapes):
        raise broken(codes.where, "shapes", f"{shapes}", "two matrices")
    (rows, words), _ = shapes
    in_features = folder.in_features(module) or words // WORDS_PER_GROUP * how.group_size
    groups = -(-in_features // how.group_size)
    expected_shapes = [[rows, WORDS_PER_GROUP * groups], [rows, groups]]
    if shapes != expected_shapes:
        raise _wrong_shapes(codes, shapes, expected_shapes, in_features)
    shape = (rows, in_features)
    return GroupTensor(f"{module}.weight", how.type, shape, codes, scales, is_transposed)


def _wrong_shapes(
    codes: FileTensor, got: list[list[int]], expected: list[list[int]], in_features: int
) -> FormatError:
    return broken(
        codes.where,
        "shapes of codes and scales (by rows of weights)",
        f"{got[0]} and {got[1]}",
        f"{expected[0]} and {expected[1]} for {in_features} columns",
    )


def _unfused(
    folder: _Folder, tensor: FileTensor | GroupTensor
) -> Iterator[FileTensor | GroupTensor]:
    """The parts of a fused matrix; of another tensor, itself."""
    module = tensor.name.removesuffix(".weight")
    parent, _, kind = module.rpartition(".")
    if kind not in FUSED or len(tensor.shape) != 2:
        yield tensor
        return
    counts = folder.part_rows(module, tensor.shape[0])
    if sum(counts) != tensor.shape[0]:
        got, expected = f"{tensor.shape[0]:,} rows", f"{counts} by the model's configuration"
        raise broken(tensor.where, "", got, expected)
    start = 0
    for part, count in zip(FUSED[kind], counts, strict=True):
        name = f"{parent}.{part}.weight"
        if isinstance(tensor, GroupTensor):
            yield tensor.slice_rows(name, start, start + count)
        else:
            yield slice_rows(tensor, name, start, start + count)
        start += count
