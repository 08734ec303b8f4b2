"""Tiny seeded models as Hugging Face folders and GGUF files, written without transformers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from tests.support.make_gguf import write_gguf
from tests.support.vocabulary import make_vocabulary
from webgemma.architectures import gemma, gemma2, llama
from webgemma.architectures.config import GGUF_KEYS

SHAPE: Mapping[str, Any] = {
    "vocab_size": 700, "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 24, "rms_norm_eps": 1e-6,
    "max_position_embeddings": 256, "rope_theta": 10000.0,
    "bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0,
}  # fmt: skip
FAMILIES: Mapping[str, Mapping[str, Any]] = {
    "gemma": {"hidden_activation": "gelu_pytorch_tanh"},
    "gemma2": {
        "hidden_activation": "gelu_pytorch_tanh", "sliding_window": 32, "query_pre_attn_scalar": 20,
        "attn_logit_softcapping": 20.0, "final_logit_softcapping": 10.0,
    },
    "gemma3_text": {
        "hidden_activation": "gelu_pytorch_tanh", "sliding_window": 32, "query_pre_attn_scalar": 20,
        "num_hidden_layers": 7, "rope_theta": 1e6, "rope_local_base_freq": 10000.0,
        "rope_scaling": {"rope_type": "linear", "factor": 8.0},
    },
    "llama": {"hidden_act": "silu", "tie_word_embeddings": False},
}  # fmt: skip
NORMS = {
    "gemma": ("input_layernorm", "post_attention_layernorm"),
    "gemma2": (
        "input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm",
        "post_feedforward_layernorm",
    ),
    "gemma3_text": (
        "input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm",
        "post_feedforward_layernorm",
    ),
    "llama": ("input_layernorm", "post_attention_layernorm"),
}  # fmt: skip


def layers_of(family: str) -> int:
    """How many layers there are."""
    return int({**SHAPE, **FAMILIES[family]}["num_hidden_layers"])


def tiny_weights(family: str, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Every tensor; norms are multiples of 1/64, which half and bfloat16 hold exactly."""
    rng = np.random.default_rng(seed)
    hidden, inner, vocab = SHAPE["hidden_size"], SHAPE["intermediate_size"], SHAPE["vocab_size"]
    heads, kv = (SHAPE["head_dim"] * SHAPE[f"num_{n}_heads"] for n in ("attention", "key_value"))
    layer = {
        "self_attn.q_proj": (heads, hidden), "self_attn.k_proj": (kv, hidden),
        "self_attn.v_proj": (kv, hidden), "self_attn.o_proj": (hidden, heads),
        "mlp.gate_proj": (inner, hidden), "mlp.up_proj": (inner, hidden),
        "mlp.down_proj": (hidden, inner), **dict.fromkeys(NORMS[family], (hidden,)),
    }  # fmt: skip
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens": (vocab, hidden)}
    if family == "gemma3_text":
        layer |= dict.fromkeys(("self_attn.q_norm", "self_attn.k_norm"), (SHAPE["head_dim"],))
    for i in range(layers_of(family)):
        shapes |= {f"model.layers.{i}.{name}": shape for name, shape in layer.items()}
    shapes["model.norm"] = (hidden,)
    if family == "llama":
        shapes["lm_head"] = (vocab, hidden)
    tensors = {}
    for name, shape in shapes.items():
        values = rng.standard_normal(shape) / shape[-1] ** 0.5
        if len(shape) == 1:
            values = np.round(values * 64) / 64 + (family == "llama")
        tensors[f"{name}.weight"] = values.astype(np.float32)
    return tensors


def write_tiny(folder: Path, family: str, tokenizer: Path, **changes: Any) -> Path:
    """Write config.json, model.safetensors and a tokenizer.model; `changes` are of the config."""
    folder.mkdir(parents=True)
    config = {"model_type": family, **SHAPE, **FAMILIES[family], **changes}
    (folder / "config.json").write_text(json.dumps(config))
    save_file(tiny_weights(family), folder / "model.safetensors")
    (folder / "tokenizer.model").write_bytes(tokenizer.read_bytes())
    return folder


def write_tiny_gguf(path: Path, family: str) -> Path:
    """Write the same weights as llama.cpp's converter would: its names, gains and row order."""
    names = {"gemma": gemma.TENSORS, "gemma2": gemma2.TENSORS, "llama": llama.TENSORS}[family]
    layers = range(layers_of(family))
    theirs = {
        hf.replace("{i}", str(i)): gguf.replace("{i}", str(i))
        for hf, gguf in names.values()
        for i in layers
    }
    tensors = {}
    for name, values in tiny_weights(family).items():
        if values.ndim == 1 and family != "llama":
            values = values + np.float32(1)
        elif family == "llama" and name.endswith(("q_proj.weight", "k_proj.weight")):
            halves = values.reshape(-1, 2, SHAPE["head_dim"] // 2, values.shape[1])
            values = halves.swapaxes(1, 2).reshape(values.shape)  # pairs side by side
        tensors[theirs[name]] = np.ascontiguousarray(values)
    config = {**SHAPE, **FAMILIES[family]}
    metadata = {f"{family}.{GGUF_KEYS[k]}": v for k, v in config.items() if k in GGUF_KEYS}
    if family == "gemma2":
        metadata.pop("gemma2.attention.query_pre_attn_scalar")  # llama.cpp does not write it
    vocabulary = make_vocabulary(SHAPE["vocab_size"])
    metadata |= {
        "tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": vocabulary.tokens,
        "tokenizer.ggml.scores": vocabulary.scores, "tokenizer.ggml.token_type": vocabulary.types,
        "tokenizer.ggml.bos_token_id": 2, "tokenizer.ggml.eos_token_id": 1,
        "tokenizer.ggml.add_space_prefix": False,
    }  # fmt: skip
    return write_gguf(path, family, metadata, tensors)
