"""Tiny seeded models as Hugging Face folders, written without transformers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

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
    "llama": {"hidden_act": "silu", "tie_word_embeddings": False},
}  # fmt: skip
NORMS = {
    "gemma": ("input_layernorm", "post_attention_layernorm"),
    "gemma2": (
        "input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm",
        "post_feedforward_layernorm",
    ),
    "llama": ("input_layernorm", "post_attention_layernorm"),
}  # fmt: skip


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
    for i in range(SHAPE["num_hidden_layers"]):
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
