"""Gemma 2 (2B, 9B): Gemma 1 with four norms per layer, soft-capping, alternating local attention.

Paper: https://arxiv.org/abs/2408.00118. Configuration names: transformers' configuration_gemma2.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
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
from webgemma.architectures.names import DECODER, FOUR_NORMS
from webgemma.architectures.rope import read_rope
from webgemma.architectures.weights import Names, WeightPlan
from webgemma.checkpoint import Checkpoint

TENSORS: Names = {**DECODER, **FOUR_NORMS}
"""Ours -> (Hugging Face, GGUF)."""

NORM_OFFSET = 1.0
"""Hugging Face stores gain - 1; GGUF stores the gain (llama.cpp conversion/gemma.py adds 1)."""


@dataclass(frozen=True, slots=True)
class Config:
    """The decoder's numbers and the window of every layer (0: full attention)."""

    decoder: DecoderConfig
    windows: tuple[int, ...]


def config_of(keys: KeyReader) -> Config:
    """Read the configuration of either format."""
    heads = keys.integer("num_attention_heads", 256)
    hidden_size = keys.integer("hidden_size", 65536)
    head_dim = keys.head_dim(256)
    layers = keys.integer("num_hidden_layers", 256)
    windows = windows_of(keys, layers)
    keys.word("hidden_activation", ("gelu_pytorch_tanh",))
    # GGUF does not store query_pre_attn_scalar; llama.cpp uses head_dim, but hidden_size / heads
    # for the 27B (46 layers).
    default_scalar = hidden_size // heads if layers == 46 else head_dim
    scalar = keys.number("query_pre_attn_scalar", float(default_scalar))
    decoder = DecoderConfig(
        vocab_size=keys.vocab_size(),
        hidden_size=hidden_size,
        intermediate_size=keys.integer("intermediate_size", 1 << 20),
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=keys.integer("num_key_value_heads", 256, heads),
        head_dim=head_dim,
        rms_norm_eps=keys.number("rms_norm_eps", 1e-6),
        rope_factors={"rope": read_rope(keys, 10000.0).factors(head_dim)},
        attention_scale=scalar**-0.5,
        embed_scale=math.sqrt(hidden_size),
        max_position_embeddings=keys.integer("max_position_embeddings", 1 << 20, 8192),
        attn_logit_softcapping=keys.softcap("attn_logit_softcapping", 50.0),
        final_logit_softcapping=keys.softcap("final_logit_softcapping", 30.0),
        has_windows=any(windows),
    )
    return Config(decoder, windows)


def windows_of(keys: KeyReader, layers: int) -> tuple[int, ...]:
    """The window of each layer: 0, 2, 4, ... are local unless layer_types says otherwise."""
    window = keys.integer("sliding_window", 1 << 20, 4096)
    types = keys.words("layer_types", ("sliding_attention", "full_attention"), layers)
    if types is None:
        return tuple(window if layer % 2 == 0 else 0 for layer in range(layers))
    return tuple(window if kind == "sliding_attention" else 0 for kind in types)


def layer_steps(decoder: Decoder, layer: int, window: int) -> None:
    """Append one layer: a norm before and after attention, and before and after GeGLU."""
    c = decoder.config

    def gain(norm: str) -> Any:
        return decoder.norm(f"model.layers.{layer}.{norm}.weight", norm, layer, NORM_OFFSET)

    attention(decoder, layer, gain("input_layernorm"), window=window)
    width = c.num_attention_heads * c.head_dim
    post = gain("post_attention_layernorm")
    project(decoder, layer, "self_attn.o_proj", "o_proj", "attention", width, post_norm=post)
    gate_up(decoder, layer, gain("pre_feedforward_layernorm"))
    post = gain("post_feedforward_layernorm")
    width = c.intermediate_size
    project(decoder, layer, "mlp.down_proj", "down_proj", "hidden", width, post_norm=post)


def build_program(checkpoint: Checkpoint, options: Mapping[str, Any]) -> Lowered:
    """Lower a Gemma 2 checkpoint."""
    keys = KeyReader(checkpoint)
    config = config_of(keys)
    keys.finish()
    plan = WeightPlan(checkpoint, TENSORS, options["quantization"])
    decoder = Decoder(config.decoder, plan, options["run_quantization"])
    embeddings = embedding(decoder)
    for layer, window in enumerate(config.windows):
        layer_steps(decoder, layer, window)
    head(decoder, embeddings, decoder.norm("model.norm.weight", "norm", None, NORM_OFFSET))
    plan.finish(ignored=decoder.tied_head())
    return decoder.finish("gemma2")
