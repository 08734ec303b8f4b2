"""A tiny seeded PaliGemma as a Hugging Face folder, written without transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from tests.support.tiny_folder import SHAPE, tiny_weights

IMAGE_TOKEN = SHAPE["vocab_size"] - 1
IMAGE_SIZE, PATCH = 35, 7
NUM_PATCHES = (IMAGE_SIZE // PATCH) ** 2
HIDDEN, WIDE, LAYERS = 64, 72, 2


def vision_weights(prefix: str, seed: int = 1) -> dict[str, NDArray[np.float32]]:
    """Every tensor of the tower; names begin with `prefix`."""
    square = {f"self_attn.{name}_proj": (HIDDEN, HIDDEN) for name in ("q", "k", "v", "out")}
    layer: dict[str, tuple[int, ...]] = {
        **square, "mlp.fc1": (WIDE, HIDDEN), "mlp.fc2": (HIDDEN, WIDE),
        "layer_norm1": (HIDDEN,), "layer_norm2": (HIDDEN,),
    }  # fmt: skip
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.patch_embedding": (HIDDEN, 3, PATCH, PATCH), "post_layernorm": (HIDDEN,),
    }  # fmt: skip
    for i in range(LAYERS):
        shapes |= {f"encoder.layers.{i}.{name}": shape for name, shape in layer.items()}
    tensors = {}
    for i, (name, shape) in enumerate(shapes.items()):
        tensors |= seeded(prefix + name, shape, seed + i)
    positions = np.random.default_rng(seed).standard_normal((NUM_PATCHES, HIDDEN))
    tensors[f"{prefix}embeddings.position_embedding.weight"] = positions.astype(np.float32)
    return tensors


def seeded(name: str, shape: tuple[int, ...], seed: int) -> dict[str, NDArray[np.float32]]:
    """A module's weight and bias."""
    rng = np.random.default_rng(seed)
    weight = rng.standard_normal(shape) / np.prod(shape[1:]) ** 0.5
    if len(shape) == 1:
        weight = 1 + 0.3 * rng.standard_normal(shape)
    bias = 0.3 * rng.standard_normal(shape[0])
    tensors = {"weight": weight, "bias": bias}
    return {f"{name}.{part}": values.astype(np.float32) for part, values in tensors.items()}


def write_seeing(folder: Path, tokenizer: Path, **changes: Any) -> Path:
    """Write the folder under the names of published checkpoints; `changes` are of config.json."""
    folder.mkdir(parents=True)
    hidden = SHAPE["hidden_size"]
    vision = {
        "model_type": "siglip_vision_model", "hidden_size": HIDDEN, "intermediate_size": WIDE,
        "num_hidden_layers": LAYERS, "num_attention_heads": 2, "image_size": IMAGE_SIZE,
        "patch_size": PATCH, "projection_dim": hidden, "num_image_tokens": NUM_PATCHES,
        "projector_hidden_act": "gelu_fast", "vision_use_head": False,
    }  # fmt: skip
    text = {"model_type": "gemma", "num_image_tokens": NUM_PATCHES, **SHAPE}
    text["max_position_embeddings"] = 512
    config = {
        "model_type": "paligemma", "text_config": text, "vision_config": vision,
        "image_token_index": IMAGE_TOKEN, "projection_dim": hidden, "hidden_size": hidden,
        "vocab_size": IMAGE_TOKEN, "ignore_index": -100, "bos_token_id": 2, "eos_token_id": 1,
        "pad_token_id": 0, **changes,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    tensors = {
        f"language_model.{name}": (8 if "o_proj" in name else 1) * values  # attention counts
        for name, values in tiny_weights("gemma").items()
    }
    tensors |= vision_weights("vision_tower.vision_model.")
    tensors |= seeded("multi_modal_projector.linear", (hidden, HIDDEN), 99)
    save_file(tensors, folder / "model.safetensors")
    (folder / "tokenizer.model").write_bytes(tokenizer.read_bytes())
    return folder
