"""Write small folders as MLC's tools do, from arrays and a configuration."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from webgemma.storage.mlc import Q3F16_1, Q4F16_1, Q4F32_1
from webgemma.storage.types import bf16_to_f32, f32_to_bf16

Stored = dict[str, tuple[str, NDArray[Any]]]
"""Name -> (dtype of the record, the array as it is stored; float32 as bf16 bits)."""

GROUPED = {"q3f16": Q3F16_1, "q4f16": Q4F16_1, "q4f32": Q4F32_1}

CHAT_CONFIG: Mapping[str, Any] = {
    "version": "0.1.0",
    "model_type": "gemma",
    "context_window_size": 256, "sliding_window_size": -1, "prefill_chunk_size": 256,
    "attention_sink_size": -1, "tensor_parallel_shards": 1, "temperature": 0.7, "top_p": 0.95,
    "tokenizer_files": ["tokenizer.model"],
    "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 1,
    "conv_template": {
        "name": "gemma_instruction", "system_template": "{system_message}", "system_message": "",
        "system_prefix_token_ids": [2], "add_role_after_system_message": True,
        "roles": {"user": "<start_of_turn>user", "assistant": "<start_of_turn>model"},
        "role_templates": {
            "user": "{user_message}", "assistant": "{assistant_message}", "tool": "{tool_message}",
        },
        "messages": [], "seps": ["<end_of_turn>\n"], "role_content_sep": "\n",
        "role_empty_sep": "\n", "stop_str": ["<end_of_turn>"], "stop_token_ids": [1, 107],
    },
}  # fmt: skip
MODEL_CONFIG: Mapping[str, Any] = {
    "hidden_size": 64, "intermediate_size": 96, "attention_bias": False, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 24, "num_hidden_layers": 1, "rms_norm_eps": 1e-6,
    "vocab_size": 700, "hidden_activation": "gelu_pytorch_tanh", "position_embedding_base": 10000,
    "context_window_size": 256, "prefill_chunk_size": 256, "tensor_parallel_shards": 1,
    "max_batch_size": 1,
}  # fmt: skip


def mlc_weights(seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """The parameters of MODEL_CONFIG's Gemma under MLC's names, in MLC's order, seeded."""
    rng = np.random.default_rng(seed)
    layer, c = "model.layers.0", MODEL_CONFIG
    width = c["num_attention_heads"] * c["head_dim"]
    shapes = {
        "model.embed_tokens": (c["vocab_size"], c["hidden_size"]),
        f"{layer}.self_attn.qkv_proj": (2 * width, c["hidden_size"]),
        f"{layer}.self_attn.o_proj": (c["hidden_size"], width),
        f"{layer}.mlp.gate_up_proj": (2 * c["intermediate_size"], c["hidden_size"]),
        f"{layer}.mlp.down_proj": (c["hidden_size"], c["intermediate_size"]),
        f"{layer}.input_layernorm": (c["hidden_size"],),
        f"{layer}.post_attention_layernorm": (c["hidden_size"],),
        "model.norm": (c["hidden_size"],),
    }
    return {n: rng.standard_normal(s).astype(np.float32) for n, s in shapes.items()}


def stored(weights: Mapping[str, NDArray[np.float32]], quantization: str) -> Stored:
    """The records of these parameters in one of MLC's quantizations."""
    kind, _, layout = quantization.partition("_")
    found: Stored = {}
    for name, values in weights.items():
        is_embedding = name.endswith("embed_tokens")
        storage = GROUPED.get(kind)
        if storage is None or values.ndim == 1 or (layout == "2" and is_embedding):
            found[f"{name}.weight"] = float_record(values, kind.endswith("f32"))
            continue
        codes, scales = storage.quantize(values)
        parts = [codes.view(np.uint32), scales.view(np.uint16)]
        if layout == "0" and not is_embedding:
            parts = [part.T for part in parts]
        scale_dtype = "float32" if kind.endswith("f32") else "float16"
        for suffix, dtype, part in zip(
            ("q_weight", "q_scale"), ("uint32", scale_dtype), parts, strict=True
        ):
            found[f"{name}.{suffix}"] = (dtype, np.ascontiguousarray(part))
    return found


def float_record(values: NDArray[np.float32], is_f32: bool) -> tuple[str, NDArray[Any]]:
    """A float parameter as float16, or as float32 that is stored as bfloat16."""
    return ("float32", f32_to_bf16(values)) if is_f32 else ("float16", values.astype(np.float16))


def as_floats(dtype: str, array: NDArray[Any]) -> NDArray[np.float32]:
    """What a stored float array means."""
    return bf16_to_f32(array) if dtype == "float32" else array.view(np.float16).astype(np.float32)


def write_mlc(
    folder: Path,
    records: Stored,
    quantization: str,
    *,
    cache_name: str = "tensor-cache.json",
    per_shard: int = 4,
    model_config: Mapping[str, Any] = MODEL_CONFIG,
    chat_config: Mapping[str, Any] = CHAT_CONFIG,
) -> Path:
    """Write shards of `per_shard` tensors each, the cache's JSON and mlc-chat-config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    names = list(records)
    shards = []
    for number, first in enumerate(range(0, len(names), per_shard)):
        data, entries = b"", []
        for name in names[first : first + per_shard]:
            dtype, array = records[name]
            entry = {"name": name, "shape": list(array.shape), "dtype": dtype}
            entry |= {"format": "f32-to-bf16", "nbytes": array.nbytes, "byteOffset": len(data)}
            entries.append(entry)
            data += array.tobytes()
        file = f"params_shard_{number}.bin"
        (folder / file).write_bytes(data)
        shard = {"dataPath": file, "format": "raw-shard", "nbytes": len(data), "records": entries}
        shards.append(shard | {"md5sum": hashlib.md5(data).hexdigest()})
    cache = {"metadata": {"ParamSize": len(names)}, "records": shards}
    (folder / cache_name).write_text(json.dumps(cache))
    config = {**chat_config, "quantization": quantization, "model_config": dict(model_config)}
    (folder / "mlc-chat-config.json").write_text(json.dumps(config))
    return folder
