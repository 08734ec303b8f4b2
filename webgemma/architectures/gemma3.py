"""Gemma 3 (270M, 1B, and the text of 4B, 12B, 27B): Gemma 2 without soft caps, with normed heads.

Five local layers to one global, each kind with rotations of its own. Report:
https://arxiv.org/abs/2503.19786. Configuration names: transformers' configuration_gemma3.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
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
    project,
)
from webgemma.architectures.lowered import Lowered
from webgemma.architectures.names import DECODER, FOUR_NORMS, HEAD_NORMS
from webgemma.architectures.rope import Rope, read_rope, rope_of
from webgemma.architectures.weights import Names, WeightPlan
from webgemma.checkpoint import Checkpoint

TENSORS: Names = {
    "input_layernorm": DECODER["input_layernorm"],  # first of the norms, as MLC orders them
    **HEAD_NORMS,
    **DECODER,
    **FOUR_NORMS,
}
"""Ours -> (Hugging Face, GGUF)."""

PREFIXES = ("model.", "language_model.model.", "model.language_model.")
"""What "model." is in a text model, and in old and new checkpoints with a vision tower."""
NOT_TEXT = ("vision_tower.", "multi_modal_projector.", "language_model.lm_head.")
"""Beginnings of names, behind "model." or not, that the text does not need: it alone is built."""

NORM_OFFSET = 1.0
"""Hugging Face stores gain - 1; GGUF stores the gain (llama.cpp conversion/gemma.py adds 1)."""
GLOBAL_THETA, LOCAL_THETA = 1_000_000.0, 10_000.0
WINDOW_PATTERN = 6  # every sixth layer is global
HF_DEFAULTS = {
    "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "hidden_size": 2304,
    "intermediate_size": 9216, "num_hidden_layers": 26, "max_position_embeddings": 131072,
    "sliding_window": 4096, "vocab_size": 262208,
}  # fmt: skip
"""Of transformers' Gemma3TextConfig: the text_config of checkpoints leaves them out."""


@dataclass(frozen=True, slots=True)
class Config:
    """The decoder's numbers and the window of every layer (0: full attention)."""

    decoder: DecoderConfig
    windows: tuple[int, ...]


def config_of(keys: KeyReader) -> Config:
    """Read the configuration of either format."""
    defaults = {} if keys.is_gguf else HF_DEFAULTS

    def integer(name: str, most: int) -> int:
        return keys.integer(name, most, defaults.get(name))

    heads, hidden_size = integer("num_attention_heads", 256), integer("hidden_size", 65536)
    head_dim, layers = keys.head_dim(defaults.get("head_dim")), integer("num_hidden_layers", 256)
    keys.word("hidden_activation", ("gelu_pytorch_tanh",))
    windows = windows_of(keys, layers, integer("sliding_window", 1 << 20))
    # GGUF does not store query_pre_attn_scalar; llama.cpp uses head_dim, but hidden_size / heads
    # for the 27B (62 layers).
    default_scalar = hidden_size // heads if keys.is_gguf and layers == 62 else head_dim
    scalar = keys.number("query_pre_attn_scalar", float(default_scalar))
    decoder = DecoderConfig(
        vocab_size=keys.vocab_size(defaults.get("vocab_size")),
        hidden_size=hidden_size,
        intermediate_size=integer("intermediate_size", 1 << 20),
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=integer("num_key_value_heads", 256),
        head_dim=head_dim,
        rms_norm_eps=keys.number("rms_norm_eps", 1e-6),
        rope_factors={name: rope.factors(head_dim) for name, rope in ropes_of(keys).items()},
        attention_scale=scalar**-0.5,
        embed_scale=math.sqrt(hidden_size),
        max_position_embeddings=integer("max_position_embeddings", 1 << 20),
        attn_logit_softcapping=keys.softcap("attn_logit_softcapping", 0.0),
        final_logit_softcapping=keys.softcap("final_logit_softcapping", 0.0),
        has_windows=any(windows),
    )
    return Config(decoder, windows)


def ropes_of(keys: KeyReader) -> dict[str, Rope]:
    """Table -> rope: "rope" of the global layers, "rope_local" of the local ones."""
    key, value = keys.find("rope_parameters")
    kinds = ("full_attention", "sliding_attention")
    if isinstance(value, Mapping) and set(value) == set(kinds):
        thetas = (GLOBAL_THETA, LOCAL_THETA)
        ropes = [rope_of(keys, key, value[k], t) for k, t in zip(kinds, thetas, strict=True)]
        return {"rope": ropes[0], "rope_local": ropes[1]}
    local = Rope(keys.number("rope_local_base_freq", LOCAL_THETA))
    return {"rope": read_rope(keys, GLOBAL_THETA), "rope_local": local}


def windows_of(keys: KeyReader, layers: int, window: int) -> tuple[int, ...]:
    """The window of each layer: the sixth, twelfth, ... are global unless layer_types says else."""
    pattern = keys.integer("_sliding_window_pattern", 1 << 20, WINDOW_PATTERN)
    pattern = keys.integer("sliding_window_pattern", 1 << 20, pattern)
    types = keys.words("layer_types", ("sliding_attention", "full_attention"), layers)
    if types is None:
        return tuple(window if (layer + 1) % pattern else 0 for layer in range(layers))
    return tuple(window if kind == "sliding_attention" else 0 for kind in types)


def layer_steps(decoder: Decoder, layer: int, window: int) -> None:
    """Append one layer: a norm before and after attention, and before and after GeGLU."""
    c = decoder.config
    name = f"model.layers.{layer}"

    def gain(norm: str) -> Any:
        return decoder.norm(f"{name}.{norm}.weight", norm, layer, NORM_OFFSET)

    def head_gain(norm: str) -> Any:
        full = f"{name}.self_attn.{norm}.weight"
        return decoder.norm(full, norm, layer, NORM_OFFSET, c.head_dim)

    norms = HeadNorms(head_gain("q_norm"), head_gain("k_norm"))
    rope = "rope_local" if window else "rope"
    attention(decoder, layer, gain("input_layernorm"), window=window, rope=rope, head_norms=norms)
    width = c.num_attention_heads * c.head_dim
    post = gain("post_attention_layernorm")
    project(decoder, layer, "self_attn.o_proj", "o_proj", "attention", width, post_norm=post)
    gate_up(decoder, layer, gain("pre_feedforward_layernorm"))
    post = gain("post_feedforward_layernorm")
    width = c.intermediate_size
    project(decoder, layer, "mlp.down_proj", "down_proj", "hidden", width, post_norm=post)


def text_of(checkpoint: Checkpoint) -> Checkpoint:
    """The text of a checkpoint that sees: its part of the configuration and its tensors."""
    text = checkpoint.metadata.get("text_config")
    if not isinstance(text, Mapping):
        return checkpoint
    tensors = {
        name: tensor
        for name, tensor in checkpoint.tensors.items()
        if not name.removeprefix("model.").startswith(NOT_TEXT)
    }
    return replace(checkpoint, metadata=text, tensors=tensors)


def names_in(checkpoint: Checkpoint) -> Mapping[str, tuple[str, str]]:
    """TENSORS with the beginning of names that this checkpoint has."""
    found = [p for p in PREFIXES if f"{p}embed_tokens.weight" in checkpoint.tensors]
    prefix = found[0] if found else PREFIXES[0]
    return {ours: (prefix + hf.removeprefix("model."), g) for ours, (hf, g) in TENSORS.items()}


def build_program(checkpoint: Checkpoint, options: Mapping[str, Any]) -> Lowered:
    """Lower the text of a Gemma 3 checkpoint."""
    checkpoint = text_of(checkpoint)
    keys = KeyReader(checkpoint)
    config = config_of(keys)
    keys.finish()
    plan = WeightPlan(checkpoint, names_in(checkpoint), options["quantization"])
    decoder = Decoder(config.decoder, plan, options["run_quantization"])
    embeddings = embedding(decoder)
    for layer, window in enumerate(config.windows):
        layer_steps(decoder, layer, window)
    head(decoder, embeddings, decoder.norm("model.norm.weight", "norm", None, NORM_OFFSET))
    plan.finish(ignored=decoder.tied_head())
    return decoder.finish("gemma3")
