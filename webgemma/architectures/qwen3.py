"""Qwen 3, dense (0.6B to 32B): Llama with normed query and key heads.

Report: https://arxiv.org/abs/2505.09388. Configuration names: transformers' configuration_qwen3.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webgemma.architectures.config import KeyReader
from webgemma.architectures.decoder import (
    Decoder,
    DecoderConfig,
    HeadNorms,
    attention,
    embedding,
    gate_up,
    head,
    output_matrix,
    project,
)
from webgemma.architectures.lowered import Lowered
from webgemma.architectures.names import DECODER, HEAD_NORMS, OWN_HEAD
from webgemma.architectures.rope import read_rope
from webgemma.architectures.weights import Names, WeightPlan
from webgemma.checkpoint import Checkpoint

TENSORS: Names = {**DECODER, **HEAD_NORMS, **OWN_HEAD}
"""Ours -> (Hugging Face, GGUF)."""


def config_of(keys: KeyReader) -> DecoderConfig:
    """Read the configuration of either format."""
    heads, layers = keys.integer("num_attention_heads", 256), keys.integer("num_hidden_layers", 256)
    hidden_size, head_dim = keys.integer("hidden_size", 65536), keys.head_dim(128)
    keys.word("hidden_act", ("silu",))
    keys.words("layer_types", ("full_attention",), layers)
    for unused in ("sliding_window", "max_window_layers"):  # but with use_sliding_window: refused
        keys.find(unused)
    return DecoderConfig(
        vocab_size=keys.vocab_size(),
        hidden_size=hidden_size,
        intermediate_size=keys.integer("intermediate_size", 1 << 20),
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=keys.integer("num_key_value_heads", 256, heads),
        head_dim=head_dim,
        rms_norm_eps=keys.number("rms_norm_eps", 1e-6),
        rope_factors={"rope": read_rope(keys, 1_000_000.0).factors(head_dim)},
        attention_scale=head_dim**-0.5,
        embed_scale=1.0,
        max_position_embeddings=keys.integer("max_position_embeddings", 1 << 20, 32768),
        activation="silu",
    )


def layer_steps(decoder: Decoder, layer: int) -> None:
    """Append one layer: attention and the gated unit, each behind a norm, added to the residual."""
    c = decoder.config
    name = f"model.layers.{layer}"

    def gain(norm: str) -> Any:
        return decoder.norm(f"{name}.{norm}.weight", norm, layer, 0.0)

    def head_gain(norm: str) -> Any:
        return decoder.norm(f"{name}.self_attn.{norm}.weight", norm, layer, 0.0, c.head_dim)

    norms = HeadNorms(head_gain("q_norm"), head_gain("k_norm"))
    attention(decoder, layer, gain("input_layernorm"), head_norms=norms)
    width = c.num_attention_heads * c.head_dim
    project(decoder, layer, "self_attn.o_proj", "o_proj", "attention", width)
    gate_up(decoder, layer, gain("post_attention_layernorm"))
    project(decoder, layer, "mlp.down_proj", "down_proj", "hidden", c.intermediate_size)


def build_program(checkpoint: Checkpoint, options: Mapping[str, Any]) -> Lowered:
    """Lower a Qwen 3 checkpoint."""
    keys = KeyReader(checkpoint)
    config = config_of(keys)
    tied = keys.flag("tie_word_embeddings", False)
    keys.finish()
    plan = WeightPlan(checkpoint, TENSORS, options["quantization"])
    tied = not plan.has("lm_head") if keys.is_gguf else tied
    decoder = Decoder(config, plan, options["run_quantization"])
    embeddings = embedding(decoder)
    for layer in range(config.num_hidden_layers):
        layer_steps(decoder, layer)
    output = embeddings if tied else output_matrix(decoder)
    head(decoder, output, decoder.norm("model.norm.weight", "norm", None, 0.0))
    plan.finish(ignored=decoder.tied_head())
    return decoder.finish("qwen3")
