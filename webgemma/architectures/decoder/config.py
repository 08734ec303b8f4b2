"""The numbers the steps of a decoder need, whatever its family calls them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

DESCRIBED = (
    "vocab_size",
    "max_position_embeddings",
    "num_hidden_layers",
    "hidden_size",
    "intermediate_size",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "activation",
    "rms_norm_eps",
)
"""Fields of DecoderConfig that webgemma.json keeps as "config"."""


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """The numbers the shared steps need, whatever the family calls them."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    rms_norm_eps: float
    rope_factors: Mapping[str, tuple[float, ...]]
    """Table -> radians per position of every pair, [head_dim / 2]; layers use "rope" by default."""
    attention_scale: float
    embed_scale: float
    max_position_embeddings: int
    activation: str = "gelu_tanh"  # of the gate; a word of reference.ACTIVATIONS
    attn_logit_softcapping: float = 0.0  # 0: none
    final_logit_softcapping: float = 0.0  # 0: none
    prefill_chunk_size: int = 256
    has_prefix: bool = False
    """Whether the first tokens, state.prefix_length of them, see each other in attention."""

    has_windows: bool = False
    """Whether some layers see only the last keys."""

    def described(self) -> dict[str, int | float | str]:
        """The numbers that people know models by, under Hugging Face's names."""
        return {name: getattr(self, name) for name in DESCRIBED}
