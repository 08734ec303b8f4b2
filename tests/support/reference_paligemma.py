"""PaliGemma of awkward sizes with seeded weights, made by transformers: the reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support.make_gguf import read_back, write_gguf
from tests.support.reference_gguf import write_reference_gguf

VOCAB = 700  # of tests/fixtures/tokenizer.model
IMAGE_TOKEN = 699
TEXT: dict[str, Any] = {
    "model_type": "gemma", "vocab_size": VOCAB, "hidden_size": 64, "intermediate_size": 160,
    "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 24,
    "max_position_embeddings": 512, "bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0,
}  # fmt: skip
VISION: dict[str, Any] = {
    "model_type": "siglip_vision_model", "hidden_size": 96, "intermediate_size": 136,
    "num_hidden_layers": 3, "num_attention_heads": 4, "image_size": 35, "patch_size": 7,
    "vision_use_head": False,
}  # fmt: skip
"""25 patches of 147 pixels, heads of 24 and a feed-forward of 136: of both, no multiple of 32."""
SO400M = {
    "hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27,
    "num_attention_heads": 16, "image_size": 224, "patch_size": 14,
}  # fmt: skip


def make_paligemma(**vision: Any) -> Any:
    """A seeded model, float32, eager attention; `vision` changes the tower."""
    import torch
    from transformers import PaliGemmaConfig, PaliGemmaForConditionalGeneration

    hidden = TEXT["hidden_size"]
    config = PaliGemmaConfig(
        text_config=TEXT, vision_config=VISION | vision | {"projection_dim": hidden},
        image_token_index=IMAGE_TOKEN, projection_dim=hidden, hidden_size=hidden, vocab_size=VOCAB,
        attn_implementation="eager",
    )  # fmt: skip
    model = PaliGemmaForConditionalGeneration(config)
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(_seeded(name, parameter))
    return model.eval()


def _seeded(name: str, parameter: Any) -> Any:
    """Sharp attention, gains near 1, biases that matter."""
    import torch

    values = torch.randn_like(parameter)
    if "norm" in name and "bias" not in name:
        # Gemma stores gain - 1, SigLIP the gain.
        return (1.0 if "vision_tower" in name else 0.0) + 0.3 * values
    if parameter.ndim == 1:
        return 0.3 * values
    fan_in = parameter[0].numel()
    return (2.0 if "q_proj" in name else 1.0) * values / fan_in**0.5


def make_pixels(size: int, seed: int = 0) -> NDArray[np.float32]:
    """A normalized image float32 [3, size, size]."""
    return np.random.default_rng(seed).uniform(-1, 1, (3, size, size)).astype(np.float32)


def reference_features(model: Any, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32 [num_patches, hidden_size] of the decoder."""
    import torch

    with torch.no_grad():
        outputs = model.get_image_features(torch.tensor(pixels[None]))
    features: NDArray[np.float32] = outputs.pooler_output[0].numpy()
    return features


def reference_logits(
    model: Any, tokens: list[int], pixels: NDArray[np.float32] | None, prefix_length: int
) -> NDArray[np.float32]:
    """float32 [num_tokens, vocab_size]; the first `prefix_length` tokens see each other."""
    import torch

    ids = torch.tensor([tokens])
    types = torch.arange(len(tokens))[None] >= prefix_length  # 1: the causal suffix
    image = None if pixels is None else torch.tensor(pixels[None])
    with torch.no_grad():
        outputs = model(input_ids=ids, pixel_values=image, token_type_ids=types.long())
    logits: NDArray[np.float32] = outputs.logits[0].numpy()
    return logits


def write_text_gguf(model: Any, path: Path, tokenizer: Path) -> Path:
    """The decoder as llama.cpp's converter writes a Gemma, its last token the image's."""
    write_reference_gguf(model.model.language_model, path, tokenizer)
    architecture, metadata, tensors = read_back(path)
    metadata["tokenizer.ggml.tokens"][IMAGE_TOKEN] = "<image>"
    metadata["tokenizer.ggml.token_type"][IMAGE_TOKEN] = 3  # control
    path.unlink()
    keys = {k: v for k, v in metadata.items() if k.startswith(("gemma.", "tokenizer."))}
    return write_gguf(path, architecture, keys, tensors)


MMPROJ_MODULES = {
    "embeddings.patch_embedding": "patch_embd", "post_layernorm": "post_ln",
    "layer_norm1": "ln1", "layer_norm2": "ln2", "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.out_proj": "attn_out",
    "mlp.fc1": "ffn_up", "mlp.fc2": "ffn_down", "embeddings.position_embedding": "position_embd",
}  # fmt: skip
"""Hugging Face's module -> GGUF's. Source: llama.cpp tools/mtmd/clip-impl.h, TN_*."""


def write_mmproj(
    model: Any, path: Path, *, projector: str, is_swapped: bool, is_flat: bool, dtype: type
) -> Path:
    """The tower in one of the layouts that converters write; matrices in `dtype`.

    Args:
        model: Of make_paligemma.
        path: The file.
        projector: The name of its matrix.
        is_swapped: Whether ffn_up and ffn_down stand for each other.
        is_flat: Whether the patch embedding is a matrix.
        dtype: Of matrices.
    """
    tensors: dict[str, NDArray[Any]] = {}
    for name, parameter in model.model.vision_tower.named_parameters():
        tensors[_mmproj_name(name, is_swapped)] = parameter.detach().numpy()
    for part in ("weight", "bias"):
        values = getattr(model.model.multi_modal_projector.linear, part)
        tensors[f"{projector}.{part}"] = values.detach().numpy()
    for name, values in tensors.items():
        is_matrix = values.ndim > 1 and "position" not in name
        shaped = values.reshape(len(values), -1) if is_flat and values.ndim > 1 else values
        tensors[name] = shaped.astype(dtype) if is_matrix else shaped
    return write_gguf(path, "clip", mmproj_keys(model.config.vision_config), tensors)


def _mmproj_name(name: str, is_swapped: bool) -> str:
    parts = name.removeprefix("vision_model.").split(".")
    prefix = f"v.blk.{parts[2]}." if parts[0] == "encoder" else "v."
    module = MMPROJ_MODULES[".".join(parts[3:-1] if parts[0] == "encoder" else parts[:-1])]
    if is_swapped:
        module = {"ffn_up": "ffn_down", "ffn_down": "ffn_up"}.get(module, module)
    return f"{prefix}{module}.{parts[-1]}"


def mmproj_keys(config: Any) -> dict[str, Any]:
    """The clip.* keys of a tower."""
    found = {
        "image_size": config.image_size, "patch_size": config.patch_size,
        "embedding_length": config.hidden_size, "feed_forward_length": config.intermediate_size,
        "projection_dim": config.projection_dim, "block_count": config.num_hidden_layers,
        "attention.head_count": config.num_attention_heads,
        "attention.layer_norm_epsilon": config.layer_norm_eps,
        "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
    }  # fmt: skip
    top = {
        "has_vision_encoder": True, "has_text_encoder": False, "use_gelu": True,
        "projector_type": "paligemma",
    }  # fmt: skip
    vision = {f"clip.vision.{key}": value for key, value in found.items()}
    return {f"clip.{key}": value for key, value in top.items()} | vision
