"""The numbers of a SigLIP vision tower."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from webgemma.architectures.config import KeyReader
from webgemma.errors import ConfigError

CHANNELS = 3
MEAN = STD = 0.5
"""Of every channel: (p / 255 - MEAN) / STD (transformers image_processing_siglip.py)."""


@dataclass(frozen=True, slots=True)
class SiglipConfig:
    """The numbers of the tower; So400m/14 at 224 pixels has those behind each name."""

    hidden_size: int  # 1152
    intermediate_size: int  # 4304
    num_hidden_layers: int  # 27
    num_attention_heads: int  # 16
    image_size: int  # 224
    patch_size: int  # 14
    layer_norm_eps: float

    @property
    def head_dim(self) -> int:
        """Columns of a head."""
        return self.hidden_size // self.num_attention_heads

    @property
    def side(self) -> int:
        """Patches of a row, and rows of patches."""
        return self.image_size // self.patch_size

    @property
    def num_patches(self) -> int:
        """Patches of an image."""
        return self.side**2


def config_of(keys: KeyReader) -> SiglipConfig:
    """Read the configuration of either format.

    Raises:
        ConfigError: numbers that do not divide each other.
        FormatError: a key is missing or of the wrong kind.
    """
    keys.word("hidden_act", ("gelu_pytorch_tanh",))
    keys.only("num_channels", CHANNELS)
    keys.only("vision_use_head", False)
    for unused in ("vocab_size", "num_image_tokens", "projector_hidden_act", "mm_patch_merge_type"):
        keys.find(unused)
    for name in ("image_mean", "image_std"):
        _check_normalization(keys, name)
    config = SiglipConfig(
        hidden_size=keys.integer("hidden_size", 65536),
        intermediate_size=keys.integer("intermediate_size", 1 << 20),
        num_hidden_layers=keys.integer("num_hidden_layers", 256),
        num_attention_heads=keys.integer("num_attention_heads", 256),
        image_size=keys.integer("image_size", 4096, 224),
        patch_size=keys.integer("patch_size", 256, 14),
        layer_norm_eps=keys.number("layer_norm_eps", 1e-6),
    )
    path = keys.checkpoint.path
    _check_divides(path, "hidden_size", config.hidden_size, config.num_attention_heads, "heads")
    _check_divides(path, "image_size", config.image_size, config.patch_size, "pixels of a patch")
    return config


def _check_normalization(keys: KeyReader, name: str) -> None:
    key, value = keys.find(name)
    if value is None:
        return
    if not isinstance(value, Iterable) or [float(v) for v in value] != [MEAN] * CHANNELS:
        raise keys.fail(key, value, f"{[MEAN] * CHANNELS}, as SigLIP's images are normalized")


def _check_divides(path: object, what: str, size: int, divisor: int, of: str) -> None:
    if size % divisor:
        raise ConfigError(f"{path}: {what}: got {size}, expected a multiple of {divisor} ({of}).")
