"""Llama (1, 2, 3) and models of its shape: RMSNorm, RoPE, SiLU, grouped queries; two norms a layer.

Papers: https://arxiv.org/abs/2302.13971, https://arxiv.org/abs/2307.09288,
https://arxiv.org/abs/2407.21783. Configuration names: transformers' configuration_llama.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from webgemma.architectures.config import KeyReader
from webgemma.architectures.decoder import (
    Decoder,
    DecoderConfig,
    attention,
    embedding,
    gate_up,
    head,
    output_matrix,
    project,
)
from webgemma.architectures.lowered import Lowered
from webgemma.architectures.names import DECODER, OWN_HEAD
from webgemma.architectures.rope import divided_by_tensor, read_rope
from webgemma.architectures.row_order import HalvesOfPairs
from webgemma.architectures.weights import Names, WeightPlan
from webgemma.checkpoint import Checkpoint

TENSORS: Names = {**DECODER, **OWN_HEAD, "rope_freqs": ("", "rope_freqs.weight")}
"""Ours -> (Hugging Face, GGUF)."""

INV_FREQ = "model.layers.{i}.self_attn.rotary_emb.inv_freq"
"""Old checkpoints of Llama 2 hold the frequencies that rope_theta gives; they are left out."""


def config_of(keys: KeyReader) -> DecoderConfig:
    """Read the configuration of either format."""
    heads = keys.integer("num_attention_heads", 256)
    hidden_size = keys.integer("hidden_size", 65536)
    head_dim = keys.head_dim(hidden_size // heads)
    keys.word("hidden_act", ("silu",))
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
        embed_scale=1.0,
        max_position_embeddings=keys.integer("max_position_embeddings", 1 << 20, 2048),
        activation="silu",
    )


def layer_steps(decoder: Decoder, layer: int) -> None:
    """Append one layer: attention and the gated unit, each behind a norm, added to the residual."""
    c = decoder.config

    def gain(norm: str) -> Any:
        return decoder.norm(f"model.layers.{layer}.{norm}.weight", norm, layer, 0.0)

    attention(decoder, layer, gain("input_layernorm"))
    width = c.num_attention_heads * c.head_dim
    project(decoder, layer, "self_attn.o_proj", "o_proj", "attention", width)
    gate_up(decoder, layer, gain("post_attention_layernorm"))
    project(decoder, layer, "mlp.down_proj", "down_proj", "hidden", c.intermediate_size)


def plan_of(
    checkpoint: Checkpoint, config: DecoderConfig, options: Mapping[str, Any]
) -> WeightPlan:
    """The weights; GGUF's query and key rows are put back into the order of the checkpoint."""
    plan = WeightPlan(checkpoint, TENSORS, options["quantization"])
    if checkpoint.format == "gguf":
        view = partial(HalvesOfPairs, head_dim=config.head_dim)
        plan.views = {"q_proj": view, "k_proj": view}
    return plan


def build_program(checkpoint: Checkpoint, options: Mapping[str, Any]) -> Lowered:
    """Lower a Llama checkpoint."""
    keys = KeyReader(checkpoint)
    config = config_of(keys)
    tied = keys.flag("tie_word_embeddings", False)
    keys.finish()
    plan = plan_of(checkpoint, config, options)
    if keys.is_gguf:
        factors = divided_by_tensor(plan, "rope_freqs", config.rope_factors["rope"])
        config = replace(config, rope_factors={"rope": factors})
        tied = not plan.has("lm_head")
    decoder = Decoder(config, plan, options["run_quantization"])
    embeddings = embedding(decoder)
    for layer in range(config.num_hidden_layers):
        layer_steps(decoder, layer)
    output = embeddings if tied else output_matrix(decoder)
    head(decoder, output, decoder.norm("model.norm.weight", "norm", None, 0.0))
    old = tuple(INV_FREQ.replace("{i}", str(i)) for i in range(config.num_hidden_layers))
    plan.finish(ignored=decoder.tied_head() + old)
    return decoder.finish("llama")
