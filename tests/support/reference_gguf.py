"""Write a transformers model as the GGUF file that llama.cpp's converter would make of it, in F32.

Source: llama.cpp conversion/llama.py and conversion/gemma.py, the parts named below.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support.make_gguf import write_gguf
from webgemma.tokenizer.sentencepiece import read_sentencepiece

ARCHITECTURES = {"gemma3_text": "gemma3", "qwen3": "qwen3"}
"""model_type -> general.architecture, where they differ."""
NAMES = {
    "embed_tokens": "token_embd", "norm": "output_norm", "lm_head": "output",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm",
    "pre_feedforward_layernorm": "ffn_norm", "post_feedforward_layernorm": "post_ffw_norm",
}  # fmt: skip
"""Hugging Face's module -> GGUF's tensor."""


def write_reference_gguf(model: Any, path: Path, tokenizer: Path) -> Path:
    """Write the model with the vocabulary of a tokenizer.model."""
    config = model.config
    architecture = ARCHITECTURES.get(config.model_type, config.model_type)
    tensors: dict[str, NDArray[np.float32]] = {}
    for name, parameter in model.named_parameters():
        values = parameter.detach().numpy().astype(np.float32)
        tensors[gguf_name(name, architecture)] = changed(values, name, architecture, config)
    if rope_of(config).get("rope_type") == "llama3":
        tensors["rope_freqs.weight"] = frequency_divisors(model)
    metadata = metadata_of(config, architecture) | vocabulary_of(tokenizer, config.vocab_size)
    return write_gguf(path, architecture, metadata, tensors)


def gguf_name(name: str, architecture: str) -> str:
    """GGUF's name of a parameter."""
    parts = name.removeprefix("model.").removesuffix(".weight").split(".")
    prefix = f"blk.{parts[1]}." if parts[0] == "layers" else ""
    module = ".".join(parts[2:] if prefix else parts)
    if module == "post_attention_layernorm":
        after = architecture in ("gemma2", "gemma3")  # else it is the norm before feed-forward
        return f"{prefix}{'post_attention_norm' if after else 'ffn_norm'}.weight"
    return f"{prefix}{NAMES[module]}.weight"


def changed(
    values: NDArray[np.float32], name: str, architecture: str, config: Any
) -> NDArray[np.float32]:
    """What the converter stores: Gemma's gains, Llama's rows for a rotation of neighbours."""
    if architecture == "llama" and ("q_proj" in name or "k_proj" in name):
        heads = values.reshape(-1, 2, config.head_dim // 2, values.shape[1])
        return np.ascontiguousarray(heads.swapaxes(1, 2).reshape(values.shape))
    if architecture.startswith("gemma") and "norm" in name:
        values = values + np.float32(1)
    # GGUF has no query_pre_attn_scalar: readers divide by the root of head_dim.
    scaled = {"gemma2": "q_proj", "gemma3": "q_norm"}.get(architecture)
    if scaled is not None and scaled in name:
        factor = (config.head_dim / config.query_pre_attn_scalar) ** 0.5
        values = (values * factor).astype(np.float32)
    return values


def rope_of(config: Any) -> dict[str, Any]:
    """The rope parameters of the (global) layers."""
    parameters: dict[str, Any] = config.rope_parameters
    return parameters.get("full_attention", parameters)


def frequency_divisors(model: Any) -> NDArray[np.float32]:
    """rope_freqs.weight: by what the unscaled frequencies are divided."""
    scaled = model.model.rotary_emb.inv_freq.numpy().astype(np.float64)
    head_dim = model.config.head_dim
    plain = rope_of(model.config)["rope_theta"] ** (-2.0 * np.arange(len(scaled)) / head_dim)
    return (plain / scaled).astype(np.float32)


def metadata_of(config: Any, architecture: str) -> dict[str, Any]:
    """The architecture's keys."""
    rope = rope_of(config)
    found = {
        "context_length": config.max_position_embeddings,
        "embedding_length": config.hidden_size,
        "block_count": config.num_hidden_layers,
        "feed_forward_length": config.intermediate_size,
        "attention.head_count": config.num_attention_heads,
        "attention.head_count_kv": config.num_key_value_heads,
        "attention.layer_norm_rms_epsilon": config.rms_norm_eps,
        "attention.key_length": config.head_dim,
        "attention.value_length": config.head_dim,
        "rope.dimension_count": config.head_dim,
        "rope.freq_base": rope["rope_theta"],
    }
    if rope["rope_type"] == "linear":
        found |= {"rope.scaling.type": "linear", "rope.scaling.factor": rope["factor"]}
    if architecture in ("gemma2", "gemma3"):
        found["attention.sliding_window"] = config.sliding_window
    if architecture == "gemma2":
        found["attn_logit_softcapping"] = config.attn_logit_softcapping
        found["final_logit_softcapping"] = config.final_logit_softcapping
    if architecture == "gemma3":
        local = config.rope_parameters["sliding_attention"]["rope_theta"]
        found["rope.freq_base_swa"] = local
    return {f"{architecture}.{key}": value for key, value in found.items()}


def vocabulary_of(tokenizer: Path, size: int) -> dict[str, Any]:
    """The tokenizer.ggml.* keys of a sentencepiece model."""
    vocabulary = read_sentencepiece(tokenizer.read_bytes())
    assert len(vocabulary.pieces) == size
    keys = {
        "model": "llama", "tokens": list(vocabulary.pieces), "scores": list(vocabulary.scores),
        "token_type": list(vocabulary.types), "bos_token_id": 2, "eos_token_id": 1,
        "unknown_token_id": 3, "padding_token_id": 0, "add_bos_token": True,
        "add_space_prefix": False,
    }  # fmt: skip
    return {f"tokenizer.ggml.{key}": value for key, value in keys.items()}
