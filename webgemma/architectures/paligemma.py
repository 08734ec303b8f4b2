"""PaliGemma (3B at 224): SigLIP's features of an image before the text, Gemma 1 behind them.

Image and prompt see each other, what is generated sees what came before it. Paper:
https://arxiv.org/abs/2407.07726. Configuration names: transformers' configuration_paligemma.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from webgemma.architectures import gemma
from webgemma.architectures.config import KeyReader
from webgemma.architectures.decoder import Decoder, DecoderConfig, embedding, head
from webgemma.architectures.lowered import Lowered
from webgemma.architectures.siglip import (
    SiglipConfig,
    Tower,
    config_of,
    encode_image,
    vision_names,
)
from webgemma.architectures.siglip.config import CHANNELS, MEAN, STD
from webgemma.architectures.weights import Names, WeightPlan
from webgemma.checkpoint import Checkpoint
from webgemma.errors import FormatError, UnsupportedError
from webgemma.program.builder import Bound
from webgemma.program.spec import Range

TEXT_PREFIXES = ("language_model.model.", "model.language_model.")
PROJECTOR_PREFIXES = ("multi_modal_projector.linear", "model.multi_modal_projector.linear")
GGUF_PROJECTORS = ("mm.input_projection", "mm.0", "mm.model.fc", "mm.fc", "mm.linear")
"""What the one matrix of the projection is called in files of several converters."""
TIED_HEADS = ("lm_head.weight", "language_model.lm_head.weight")

IMAGE_TOKEN = "<image>"
SUFFIX = "\n"
"""Ends a prompt (transformers processing_paligemma.py)."""
PROMPT_TOKENS = 256
"""Room for the text of a prompt in the chunk that also holds the image: one block of attention."""
CLIP_PROJECTORS = ("paligemma", "mlp", "linear")
"""clip.projector_type: one matrix is found by its name, whatever the file calls the kind."""


def text_config_of(checkpoint: Checkpoint, vision: SiglipConfig) -> DecoderConfig:
    """Read the decoder's part of the configuration."""
    metadata = checkpoint.metadata
    if checkpoint.format != "gguf":
        metadata = _part(checkpoint, "text_config")
    keys = KeyReader(replace(checkpoint, architecture="gemma", metadata=metadata))
    keys.only("use_bidirectional_attention", True)
    keys.only("num_image_tokens", vision.num_patches)
    config = gemma.config_of(keys)
    keys.finish()
    chunk = vision.num_patches + PROMPT_TOKENS
    return replace(config, has_prefix=True, prefill_chunk_size=chunk)


def vision_config_of(checkpoint: Checkpoint) -> SiglipConfig:
    """Read the tower's part of the configuration, and what is said of both."""
    if checkpoint.format == "gguf":
        return _clip_config(checkpoint)
    keys = KeyReader(replace(checkpoint, metadata=_part(checkpoint, "vision_config")))
    keys.find("projection_dim")
    config = config_of(keys)
    keys.finish()
    keys = KeyReader(checkpoint)
    for read_elsewhere in ("text_config", "vision_config", "image_token_index"):
        keys.find(read_elsewhere)
    for unused in ("projection_dim", "hidden_size", "vocab_size", "ignore_index"):
        keys.find(unused)
    keys.finish()
    return config


def _part(checkpoint: Checkpoint, key: str) -> Mapping[str, Any]:
    part = checkpoint.metadata.get(key)
    if not isinstance(part, Mapping):
        raise KeyReader(checkpoint).fail(key, part, "an object")
    return part


def _clip_config(checkpoint: Checkpoint) -> SiglipConfig:
    """Read the keys of a GGUF file of a vision tower, clip.* and clip.vision.*."""
    keys = KeyReader(replace(checkpoint, architecture="clip.vision"))
    keys.find("projection_dim")
    config = config_of(keys)
    keys = KeyReader(replace(checkpoint, architecture="clip"), keys.seen)
    keys.only("has_vision_encoder", True)
    keys.only("has_text_encoder", False)
    keys.find("has_llava_projector")
    keys.only("use_gelu", True)
    keys.only("use_silu", False)
    key, kind = keys.find("projector_type")
    if kind is not None and kind not in CLIP_PROJECTORS:
        have = ", ".join(CLIP_PROJECTORS)
        raise UnsupportedError(
            f"{checkpoint.path}: key {key!r}: {kind!r} is not supported (have {have})."
        )
    keys.finish()
    return config


def names_in(checkpoint: Checkpoint) -> Names:
    """Ours -> (Hugging Face, GGUF) for the tensors of this checkpoint."""
    tensors = checkpoint.tensors
    text = _first(TEXT_PREFIXES, "embed_tokens.weight", tensors)
    projector = _first(PROJECTOR_PREFIXES, ".weight", tensors)
    gguf_projector = _first(GGUF_PROJECTORS, ".weight", tensors)
    names = {
        ours: (text + hf.removeprefix("model."), gguf) for ours, (hf, gguf) in gemma.TENSORS.items()
    }
    names |= vision_names(checkpoint)
    for part in ("weight", "bias"):
        names[f"projector.{part}"] = (f"{projector}.{part}", f"{gguf_projector}.{part}")
    return names


def _first(prefixes: tuple[str, ...], name: str, tensors: Mapping[str, object]) -> str:
    """The prefix that a tensor has; the first if there is none, for the message that follows."""
    return next((prefix for prefix in prefixes if prefix + name in tensors), prefixes[0])


def image_token_of(checkpoint: Checkpoint, vocab_size: int) -> int:
    """The token that stands for a part of the image.

    Raises:
        FormatError: there is none in the vocabulary.
    """
    if checkpoint.format != "gguf":
        return KeyReader(checkpoint).integer("image_token_index", vocab_size - 1)
    tokens = list((checkpoint.tokenizer.gguf or {})["tokenizer.ggml.tokens"])
    if IMAGE_TOKEN not in tokens:
        msg = (
            f"{checkpoint.path}: key 'tokenizer.ggml.tokens': got {len(tokens):,} tokens without "
            f"{IMAGE_TOKEN!r}, expected it among them. The file is not PaliGemma's."
        )
        raise FormatError(msg)
    return tokens.index(IMAGE_TOKEN)


def image_steps(decoder: Decoder, vision: SiglipConfig, token: int) -> None:
    """Append phase encode_image, and to prefill that its result takes the image tokens' rows."""
    b, c = decoder.builder, decoder.config
    image = b.buffer("image", "input", 4 * CHANNELS * vision.image_size**2)
    features = b.buffer("image_features", "scratch", 4 * vision.num_patches * c.hidden_size)
    encode_image(Tower(vision, decoder.plan, b), image, features, c.hidden_size)
    params = {"k": c.hidden_size, "token": token, "num_image_tokens": vision.num_patches}
    bound: dict[str, Bound] = {
        "state": Range("state"),
        "tokens": Range("tokens"),
        "features": features,
        "x": decoder.x,
    }
    launch = b.kernel("image_rows", f"image_rows.{c.hidden_size}", params)
    columns = -(-c.hidden_size // (4 * 64))
    b.step("prefill", "image_rows", launch, bound, ("num_tokens", columns, 1))


def build_program(checkpoint: Checkpoint, options: Mapping[str, Any]) -> Lowered:
    """Lower a PaliGemma checkpoint: a folder, or a GGUF file joined with one of its tower."""
    vision = vision_config_of(checkpoint)
    config = text_config_of(checkpoint, vision)
    token = image_token_of(checkpoint, config.vocab_size)
    plan = WeightPlan(checkpoint, names_in(checkpoint), options["quantization"])
    decoder = Decoder(config, plan, options["run_quantization"])
    embeddings = embedding(decoder)
    image_steps(decoder, vision, token)
    for layer in range(config.num_hidden_layers):
        gemma.layer_steps(decoder, layer)
    norm = decoder.norm("model.norm.weight", "norm", None, gemma.NORM_OFFSET)
    head(decoder, embeddings, norm)
    plan.finish(ignored=TIED_HEADS)
    image = {
        "size": vision.image_size,
        "mean": [MEAN] * CHANNELS,
        "std": [STD] * CHANNELS,
        "num_tokens": vision.num_patches,
        "token_id": token,
        "suffix": SUFFIX,
    }
    return decoder.finish("paligemma", image)
