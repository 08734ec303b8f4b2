"""Small valid models whose files the fuzz tests damage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from tests.support.make_gguf import TensorData, write_gguf
from tests.support.mlc_folder import mlc_weights, stored, write_mlc
from tests.support.raw_gguf import (
    ARCHITECTURE,
    I32,
    U16,
    gguf_bytes,
    key_value,
    tensor_info,
)
from tests.support.vocabulary import make_vocabulary


@dataclass(frozen=True, slots=True)
class Subject:
    """A model in a folder of its own, and the file of it that is damaged."""

    model: str
    """What is opened, relative to the model's folder; "." for the folder itself."""
    file: str
    share: int
    """How many of 10,000 mutations it gets."""


SUBJECTS: dict[str, Subject] = {
    "gguf": Subject("model.gguf", "model.gguf", 3_000),
    "gguf-part": Subject("m-00001-of-00002.gguf", "m-00002-of-00002.gguf", 1_000),
    "safetensors": Subject(".", "model.safetensors", 2_000),
    "shard": Subject(".", "model-00001-of-00002.safetensors", 500),
    "index": Subject(".", "model.safetensors.index.json", 1_000),
    "config": Subject(".", "config.json", 1_000),
    "tokenizer-config": Subject(".", "tokenizer_config.json", 500),
    "mlc-cache": Subject(".", "tensor-cache.json", 700),
    "mlc-config": Subject(".", "mlc-chat-config.json", 300),
}


def write_subject(name: str, folder: Path) -> None:
    """Write the model of one subject into an empty folder."""
    if name == "gguf":
        write_gguf(folder / "model.gguf", "gemma", gguf_metadata(), arrays())
    elif name == "gguf-part":
        _write_parts(folder)
    elif name.startswith("mlc"):
        write_mlc(folder, stored(mlc_weights(), "q4f16_1"), "q4f16_1")
        (folder / "tokenizer.json").write_text('{"model": {"type": "BPE", "vocab": {"a": 0}}}')
    else:
        _write_folder(folder, is_sharded=name in ("shard", "index"))


def arrays() -> dict[str, TensorData]:
    """Tensors of several types and sizes that need padding."""
    rng = np.random.default_rng(0)
    return {
        "matrix": ("Q4_0", rng.standard_normal((3, 64)).astype(np.float32)),
        "vector": rng.standard_normal(7).astype(np.float32),
        "cube": rng.standard_normal((2, 3, 5)).astype(np.float16),
        "last": rng.standard_normal((4, 9)).astype(np.float32),
    }


def gguf_metadata() -> Mapping[str, Any]:
    """Key-values of every common kind."""
    vocabulary = make_vocabulary(600)
    return {
        "general.name": "fuzz",
        "general.alignment": 32,
        "gemma.block_count": 2,
        "gemma.attention.layer_norm_rms_epsilon": 1e-6,
        "tokenizer.ggml.add_bos_token": True,
        # A few of them: where the head is long, few mutations meet what is read after it.
        "tokenizer.ggml.tokens": vocabulary.tokens[100:110],
        "tokenizer.ggml.scores": vocabulary.scores[100:110],
        "tokenizer.ggml.token_type": vocabulary.types[100:110],
        "tokenizer.chat_template": "{{ messages }}",
    }


def _write_parts(folder: Path) -> None:
    for number in range(2):
        keys = [
            key_value("split.no", U16, number),
            key_value("split.count", U16, 2),
            key_value("split.tensors.count", I32, 2),
        ]
        data = np.random.default_rng(number).bytes(32)
        path = folder / f"m-{number + 1:05}-of-00002.gguf"
        tensors = [tensor_info(f"t{number}")]
        path.write_bytes(gguf_bytes(keys if number else [ARCHITECTURE, *keys], tensors, data))


def _write_folder(folder: Path, *, is_sharded: bool) -> None:
    documents: dict[str, Any] = {
        "config.json": {
            "architectures": ["GemmaForCausalLM"], "hidden_size": 64, "model_type": "gemma",
            "rms_norm_eps": 1e-06, "rope_scaling": None, "use_cache": True,
        },
        "tokenizer.json": {"model": {"type": "BPE", "vocab": {"a": 0}}},
        "tokenizer_config.json": {
            "add_bos_token": True, "chat_template": [{"name": "default", "template": "{{ x }}"}],
        },
    }  # fmt: skip
    tensors = {k: v for k, v in arrays().items() if not isinstance(v, tuple)}
    if is_sharded:
        names = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
        weight_map = {tensor: names[tensor == "cube"] for tensor in tensors}
        documents["model.safetensors.index.json"] = {"metadata": {}, "weight_map": weight_map}
    else:
        names, weight_map = ("model.safetensors",), dict.fromkeys(tensors, "model.safetensors")
    for name in names:
        save_file({k: v for k, v in tensors.items() if weight_map[k] == name}, folder / name)
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document))
