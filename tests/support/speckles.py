"""Pictures that Python and JavaScript make alike, and what Pillow makes of them.

`python -m tests.support.speckles` writes tests/cases/resize.json.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CASES = Path(__file__).parents[1] / "cases/resize.json"
SIZES = (
    ((640, 480), (28, 28)), ((480, 640), (28, 20)), ((31, 500), (28, 28)), ((28, 28), (28, 28)),
    ((29, 27), (28, 28)), ((10, 7), (28, 28)), ((1, 1), (5, 4)), ((1, 97), (28, 28)),
    ((97, 1), (28, 28)), ((1, 4000), (14, 14)), ((1023, 57), (20, 30)), ((2, 3), (97, 9)),
)  # fmt: skip
"""(width, height) before and after: shrinking, growing, lines, and odd proportions."""


def speckles(width: int, height: int) -> NDArray[np.uint8]:
    """Noise, with the hardest edges there are in its upper half, uint8 [height, width, 3].

    web/tests/resize.test.js makes the same.
    """
    noise = np.arange(width * height * 3, dtype=np.uint32) * np.uint32(2654435761)
    noise = (noise ^ (noise >> 15)) * np.uint32(2246822519)
    pixels = (noise >> 24).astype(np.uint8).reshape(height, width, 3)
    half = height // 2
    pixels[:half] = np.where(pixels[:half] > 127, 255, 0)
    return pixels


def by_pillow(pixels: NDArray[np.uint8], *targets: tuple[int, int]) -> NDArray[np.uint8]:
    """Pillow's bicubic, to one (width, height) after the other."""
    image = Image.fromarray(pixels)
    for target in targets:
        image = image.resize(target, Image.Resampling.BICUBIC)
    return np.array(image)


def by_passes(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Columns, then rows: Pillow 13 takes rows first where the height shrinks far more."""
    return by_pillow(pixels, (width, len(pixels)), (width, height))


def main() -> None:
    """Write the cases."""
    cases = [
        {"from": size, "to": target, "pixels": encode(by_passes(speckles(*size), *target))}
        for size, target in SIZES
    ]
    CASES.write_text(json.dumps(cases, indent=1) + "\n", encoding="utf-8")


def encode(pixels: NDArray[np.uint8]) -> str:
    """An array's bytes as base64."""
    return base64.b64encode(pixels.tobytes()).decode("ascii")


if __name__ == "__main__":
    main()
