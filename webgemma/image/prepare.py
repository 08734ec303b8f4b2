"""What a program's `image` asks for: size and normalization of the pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from webgemma.errors import ConfigError
from webgemma.image.resize import resize

CHANNELS = 3


def prepare_image(pixels: NDArray[np.uint8], image: Mapping[str, Any]) -> NDArray[np.float32]:
    """Resize and normalize an image as a program wants it.

    Args:
        pixels: uint8 [height, width, 3], red, green and blue.
        image: `image` of program.json: size, mean, std.

    Returns:
        float32 [3, size, size]: (p / 255 - mean) / std of every channel.

    Raises:
        ConfigError: the array is no such image.
    """
    if pixels.ndim != 3 or pixels.shape[2] != CHANNELS:
        msg = (
            f"image: got an array of shape {list(pixels.shape)}, expected [height, width, 3]: "
            "red, green and blue."
        )
        raise ConfigError(msg)
    return normalize(resize(pixels, image["size"], image["size"]), image["mean"], image["std"])


def normalize(
    pixels: NDArray[np.uint8], mean: list[float], std: list[float]
) -> NDArray[np.float32]:
    """(p / 255 - mean) / std by channel: uint8 [H, W, C] -> float32 [C, H, W]."""
    scaled = (pixels.astype(np.float64) / 255 - np.array(mean)) / np.array(std)
    return np.ascontiguousarray(scaled.transpose(2, 0, 1), np.float32)
