"""Names of tensors, by what a decoder calls its parts: ours -> (Hugging Face, GGUF).

"{i}" stands for the layer. Sources: transformers' modeling files; gguf-py's tensor_mapping.py.
"""

from __future__ import annotations

from webgemma.architectures.weights import Names

_LAYER = "model.layers.{i}"

DECODER: Names = {
    "embed_tokens": ("model.embed_tokens.weight", "token_embd.weight"),
    "input_layernorm": (f"{_LAYER}.input_layernorm.weight", "blk.{i}.attn_norm.weight"),
    "q_proj": (f"{_LAYER}.self_attn.q_proj.weight", "blk.{i}.attn_q.weight"),
    "k_proj": (f"{_LAYER}.self_attn.k_proj.weight", "blk.{i}.attn_k.weight"),
    "v_proj": (f"{_LAYER}.self_attn.v_proj.weight", "blk.{i}.attn_v.weight"),
    "o_proj": (f"{_LAYER}.self_attn.o_proj.weight", "blk.{i}.attn_output.weight"),
    "post_attention_layernorm": (
        f"{_LAYER}.post_attention_layernorm.weight",
        "blk.{i}.ffn_norm.weight",
    ),
    "gate_proj": (f"{_LAYER}.mlp.gate_proj.weight", "blk.{i}.ffn_gate.weight"),
    "up_proj": (f"{_LAYER}.mlp.up_proj.weight", "blk.{i}.ffn_up.weight"),
    "down_proj": (f"{_LAYER}.mlp.down_proj.weight", "blk.{i}.ffn_down.weight"),
    "norm": ("model.norm.weight", "output_norm.weight"),
}
"""A decoder with a norm before attention and one before its gated feed-forward, and a tied head."""

FOUR_NORMS: Names = {
    "post_attention_layernorm": (
        f"{_LAYER}.post_attention_layernorm.weight",
        "blk.{i}.post_attention_norm.weight",
    ),
    "pre_feedforward_layernorm": (
        f"{_LAYER}.pre_feedforward_layernorm.weight",
        "blk.{i}.ffn_norm.weight",
    ),
    "post_feedforward_layernorm": (
        f"{_LAYER}.post_feedforward_layernorm.weight",
        "blk.{i}.post_ffw_norm.weight",
    ),
}
"""In place of DECODER's second norm: one before and one after each half of a layer."""

HEAD_NORMS: Names = {
    "q_norm": (f"{_LAYER}.self_attn.q_norm.weight", "blk.{i}.attn_q_norm.weight"),
    "k_norm": (f"{_LAYER}.self_attn.k_norm.weight", "blk.{i}.attn_k_norm.weight"),
}
"""Norms over each head of the queries and keys."""

OWN_HEAD: Names = {"lm_head": ("lm_head.weight", "output.weight")}
"""An output matrix that is not the embedding."""
