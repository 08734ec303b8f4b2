"""The tower's tensors by name: ours, Hugging Face's and GGUF's."""

from __future__ import annotations

from collections.abc import Mapping

from webgemma.checkpoint import Checkpoint

MODULES: Mapping[str, tuple[str, str]] = {
    "vision.patch_embedding": ("embeddings.patch_embedding", "v.patch_embd"),
    "vision.layer_norm1": ("encoder.layers.{i}.layer_norm1", "v.blk.{i}.ln1"),
    "vision.q_proj": ("encoder.layers.{i}.self_attn.q_proj", "v.blk.{i}.attn_q"),
    "vision.k_proj": ("encoder.layers.{i}.self_attn.k_proj", "v.blk.{i}.attn_k"),
    "vision.v_proj": ("encoder.layers.{i}.self_attn.v_proj", "v.blk.{i}.attn_v"),
    "vision.out_proj": ("encoder.layers.{i}.self_attn.out_proj", "v.blk.{i}.attn_out"),
    "vision.layer_norm2": ("encoder.layers.{i}.layer_norm2", "v.blk.{i}.ln2"),
    "vision.fc1": ("encoder.layers.{i}.mlp.fc1", "v.blk.{i}.ffn_up"),
    "vision.fc2": ("encoder.layers.{i}.mlp.fc2", "v.blk.{i}.ffn_down"),
    "vision.post_layernorm": ("post_layernorm", "v.post_ln"),
}
"""Ours -> (Hugging Face, GGUF): modules with a weight and a bias."""

POSITIONS = ("embeddings.position_embedding.weight", "v.position_embd.weight")
FC1, FC2 = "vision.fc1", "vision.fc2"

PREFIXES = (
    "vision_tower.vision_model.",
    "vision_tower.",
    "model.vision_tower.vision_model.",
    "model.vision_tower.",
)
"""What names of the tower begin with in Hugging Face's checkpoints, old and new."""


def vision_names(checkpoint: Checkpoint) -> dict[str, tuple[str, str]]:
    """Ours -> (Hugging Face, GGUF) for the tensors of this checkpoint.

    Old GGUF files name the feed-forward matrices the other way round (clip.cpp, is_ffn_swapped);
    the bias's length tells, as the first matrix widens.
    """
    found = [p for p in PREFIXES if p + POSITIONS[0] in checkpoint.tensors]
    prefix = found[0] if found else PREFIXES[0]
    modules = dict(MODULES)
    if _is_swapped(checkpoint):
        modules[FC1] = (MODULES[FC1][0], MODULES[FC2][1])
        modules[FC2] = (MODULES[FC2][0], MODULES[FC1][1])
    names = {
        f"{ours}.{part}": (f"{prefix}{hf}.{part}", f"{gguf}.{part}")
        for ours, (hf, gguf) in modules.items()
        for part in ("weight", "bias")
    }
    return names | {"vision.position_embedding": (prefix + POSITIONS[0], POSITIONS[1])}


def _is_swapped(checkpoint: Checkpoint) -> bool:
    """Whether GGUF's ffn_down is the matrix that widens."""
    up, down = (
        checkpoint.tensors.get(MODULES[name][1].replace("{i}", "0") + ".bias")
        for name in (FC1, FC2)
    )
    return up is not None and down is not None and down.shape[-1] > up.shape[-1]
