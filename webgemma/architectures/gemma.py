"""Gemma 1 (2B, 7B): RMSNorm, RoPE, GeGLU, tied embedding; two norms per layer.

Paper: https://arxiv.org/abs/2403.08295. Configuration names: transformers' configuration_gemma.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from webgemma.architectures.config import KeyReader
from webgemma.architectures.decoder import (
    Decoder,
    DecoderConfig,
    attention,
    embedding,
    gate_up,
    head,
    project,
)
from webgemma.architectures.lowered import Lowered
from webgemma.architectures.names import DECODER
from webgemma.architectures.rope import read_rope
from webgemma.architectures.weights import Names, WeightPlan
from webgemma.checkpoint import Checkpoint

TENSORS: Names = DECODER
"""Ours -> (Hugging Face, GGUF)."""

NORM_OFFSET = 1.0
"""Hugging Face stores gain - 1; GGUF stores the gain (llama.cpp conversion/gemma.py adds 1)."""

ACTIVATIONS = ("gelu_pytorch_tanh", "gelu")
"""Gemma 1's "gelu" means the tanh form too (transformers GemmaConfig)."""


def config_of(keys: KeyReader) -> DecoderConfig:
    """Read the configuration; every key is one the keys of either format name."""
    heads = keys.integer("num_attention_heads", 256)
    head_dim = keys.head_dim(keys.integer("hidden_size", 65536) // heads)
    hidden_size = keys.integer("hidden_size", 65536)
    keys.word("hidden_activation", ACTIVATIONS)
    return DecoderConfig(
        vocab_size=keys.vocab_size(),
        hidden_size=hidden_size,
        intermediate_size=keys.integer("intermediate_size", 1 << 20),
        num_hidden_layers=keys.integer("num_hidden_layers", 256),
        num_attention_heads=heads,
        num_key_value_heads=keys.integer("num_key_value_heads", 256, heads),
        head_dim=head_dim,
        rms_norm_eps=keys.number("rms_norm_eps", 1e-6),
        rope_factors={"rope": read_rope(keys, 10000.0).factors(head_dim)},
        attention_scale=head_dim**-0.5,
        embed_scale=math.sqrt(hidden_size),
        max_position_embeddings=keys.integer("max_position_embeddings", 1 << 20, 8192),
    )


def layer_steps(decoder: Decoder, layer: int) -> None:
    """Append one layer: attention and GeGLU, each behind a norm and added to the residual."""
    c = decoder.config
    name = f"model.layers.{layer}"
    gain = decoder.norm(f"{name}.input_layernorm.weight", "input_layernorm", layer, NORM_OFFSET)
    attention(decoder, layer, gain)
    width = c.num_attention_heads * c.head_dim
    project(decoder, layer, "self_attn.o_proj", "o_proj", "attention", width)
    gain = decoder.norm(
        f"{name}.post_attention_layernorm.weight", "post_attention_layernorm", layer, NORM_OFFSET
    )
    gate_up(decoder, layer, gain)
    project(decoder, layer, "mlp.down_proj", "down_proj", "hidden", c.intermediate_size)


def build_program(checkpoint: Checkpoint, options: Mapping[str, Any]) -> Lowered:
    """Lower a Gemma 1 checkpoint."""
    keys = KeyReader(checkpoint)
    config = config_of(keys)
    keys.finish()
    plan = WeightPlan(checkpoint, TENSORS, options["quantization"])
    decoder = Decoder(config, plan, options["run_quantization"])
    embeddings = embedding(decoder)
    for layer in range(config.num_hidden_layers):
        layer_steps(decoder, layer)
    head(decoder, embeddings, decoder.norm("model.norm.weight", "norm", None, NORM_OFFSET))
    plan.finish(ignored=decoder.tied_head())
    return decoder.finish("gemma")
