"""Checkpoints of PaliGemma's shapes without data: a GGUF text joined with a tower's file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tests.support.programs import ShapeOnly, shape_checkpoint
from webgemma.checkpoint import Checkpoint, TokenizerSource

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class TowerShape:
    """The sizes of a tower; by default those of SigLIP So400m/14 at 224 pixels, before Gemma 2B."""

    width: int = 1152
    wide: int = 4304
    layers: int = 27
    heads: int = 16
    image_size: int = 224
    patch: int = 14
    text_width: int = 2048

    @property
    def patches(self) -> int:
        """Patches of an image."""
        return int(self.image_size / self.patch) ** 2

    def tensors(self, projector: str = "mm.0") -> Shapes:
        """Every tensor of a mmproj file."""
        square, width = (self.width, self.width), (self.width,)
        layer: Shapes = {
            "ln1": width, "ln2": width, "attn_q": square, "attn_k": square, "attn_v": square,
            "attn_out": square, "ffn_up": (self.wide, self.width),
            "ffn_down": (self.width, self.wide),
        }  # fmt: skip
        modules: Shapes = {"v.patch_embd": (self.width, 3, self.patch, self.patch)}
        modules |= {"v.post_ln": width, projector: (self.text_width, self.width)}
        for i in range(self.layers):
            modules |= {f"v.blk.{i}.{name}": shape for name, shape in layer.items()}
        shapes = {f"{name}.weight": shape for name, shape in modules.items()}
        shapes |= {f"{name}.bias": shape[:1] for name, shape in modules.items()}
        return shapes | {"v.position_embd.weight": (self.patches, self.width)}

    def keys(self) -> dict[str, Any]:
        """The clip.* keys of the file."""
        numbers = {
            "image_size": self.image_size, "patch_size": self.patch,
            "embedding_length": self.width, "feed_forward_length": self.wide,
            "block_count": self.layers, "attention.head_count": self.heads,
            "attention.layer_norm_epsilon": 1e-6, "projection_dim": self.text_width,
            "image_mean": np.full(3, 0.5, np.float32), "image_std": np.full(3, 0.5, np.float32),
        }  # fmt: skip
        top = {"has_vision_encoder": True, "projector_type": "mlp", "use_gelu": True}
        vision = {f"clip.vision.{key}": value for key, value in numbers.items()}
        return {f"clip.{key}": value for key, value in top.items()} | vision


def seeing_checkpoint(text: Checkpoint, tower: TowerShape, image_token: int) -> Checkpoint:
    """Both files together, as join_mmproj makes them; matrices of the tower are F16."""
    tensors = {
        name: ShapeOnly(name, "F32" if len(shape) == 1 or "position" in name else "F16", shape)
        for name, shape in tower.tensors().items()
    }
    tokens = list((text.tokenizer.gguf or {})["tokenizer.ggml.tokens"])
    tokens[image_token] = "<image>"
    return replace(
        text,
        architecture="paligemma",
        metadata={**text.metadata, **tower.keys()},
        tensors={**text.tensors, **tensors},
        tokenizer=TokenizerSource(gguf={"tokenizer.ggml.tokens": tokens}),
    )


def small_seeing_checkpoint() -> Checkpoint:
    """A small one, whose tower has rows that need zeros."""
    text = shape_checkpoint("gemma", {}, default="F16")
    hidden = text.metadata["gemma.embedding_length"]
    tower = TowerShape(96, 136, 1, 4, 35, 7, text_width=hidden)
    return seeing_checkpoint(text, tower, 9)
