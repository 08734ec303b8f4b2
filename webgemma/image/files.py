"""Image files, through Pillow: decoding them, and drawing boxes into a copy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from webgemma.errors import ConfigError
from webgemma.image.boxes import Box

COLOURS = ("#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#008080")
LINES_PER_SIDE = 200  # a line is a 200th of the picture's shorter side


def _pillow() -> tuple[ModuleType, ModuleType, ModuleType]:
    """Pillow's Image, ImageDraw and ImageOps.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        from PIL import Image, ImageDraw, ImageOps
    except ModuleNotFoundError as error:
        msg = "image: Pillow is not installed, which reads image files. Install webgemma[images]."
        raise ConfigError(msg) from error
    return Image, ImageDraw, ImageOps


def read_image(path: str | Path) -> NDArray[np.uint8]:
    """Decode an image file, upright as its camera noted, without transparency.

    Returns:
        uint8 [height, width, 3].

    Raises:
        ConfigError: Pillow is missing, or the file is no image that it reads.
    """
    pillow, _, operations = _pillow()
    try:
        with pillow.open(path) as image:
            return np.array(operations.exif_transpose(image).convert("RGB"))
    except (OSError, ValueError, SyntaxError, pillow.DecompressionBombError) as error:
        msg = f"{path}: not an image that can be read: {error}. Give a PNG or JPEG file."
        raise ConfigError(msg) from error


def draw_boxes(pixels: NDArray[np.uint8], boxes: Sequence[Box], path: str | Path) -> None:
    """Write a copy of an image with boxes and their labels in it.

    Args:
        pixels: uint8 [height, width, 3].
        boxes: What to draw.
        path: The file; its ending says in which format.

    Raises:
        ConfigError: Pillow is missing, or the file cannot be written so.
    """
    pillow, drawing, _ = _pillow()
    image = pillow.fromarray(pixels)
    canvas = drawing.Draw(image)
    height, width = pixels.shape[:2]
    line = max(1, min(width, height) // LINES_PER_SIDE)
    for i, box in enumerate(boxes):
        colour = COLOURS[i % len(COLOURS)]
        left, right = sorted((box.x_min * width, box.x_max * width))
        top, bottom = sorted((box.y_min * height, box.y_max * height))
        canvas.rectangle((left, top, right, bottom), outline=colour, width=line)
        at = (left + line + 1, top + line + 1)
        canvas.rectangle(canvas.textbbox(at, box.label), fill=colour)
        canvas.text(at, box.label, fill="white")
    try:
        image.save(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: the image cannot be written: {error}.") from error
