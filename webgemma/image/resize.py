"""Bicubic resizing, equal to Pillow's in every pixel: columns first, then rows.

When an image shrinks, the filter widens with it, so that every pixel counts; a browser's canvas
does otherwise. Source: Pillow src/libImaging/Resample.c: the filter (a = -0.5), two passes with
a rounding to bytes after each, and weights in fixed point. From 13 on Pillow takes rows first
where the height shrinks far more than the width; models were made with earlier ones.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from webgemma.errors import ConfigError

A = -0.5  # of Keys' cubic
SUPPORT = 2.0  # its reach in pixels to either side
FIXED_POINT = 1 << 22  # one, in the weights: 32 bits less those of a byte and two of headroom


def resize(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Resize an image; its proportions are not kept.

    Args:
        pixels: [height, width, channels].
        width: Of the result.
        height: Of the result.

    Returns:
        [height, width, channels].

    Raises:
        ConfigError: the array is no such image.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or not pixels.size:
        msg = (
            f"image: got an array {pixels.dtype} {list(pixels.shape)}, expected uint8 "
            "[height, width, channels]."
        )
        raise ConfigError(msg)
    wide = _resize_columns(pixels, width)
    return _resize_columns(wide.swapaxes(0, 1), height).swapaxes(0, 1)


def _resize_columns(pixels: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    """[height, columns, channels] -> [height, width, channels]."""
    height, columns, channels = pixels.shape
    if columns == width:
        return pixels
    resized = np.empty((height, width, channels), np.uint8)
    for column, (first, weights) in enumerate(column_weights(columns, width)):
        part = pixels[:, first : first + len(weights)].astype(np.float64)
        # Whole numbers below 2^53: the sum is exact in any order.
        total = np.tensordot(weights, part, axes=(0, 1)) + FIXED_POINT // 2
        resized[:, column] = np.clip(np.floor(total / FIXED_POINT), 0, 255)
    return resized


def column_weights(columns: int, width: int) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """For each of `width` columns: the first of the source's it is made of, and their weights.

    Weights are whole numbers whose sum is FIXED_POINT but for rounding.
    """
    scale = columns / width
    stretch = max(scale, 1.0)
    for column in range(width):
        center = (column + 0.5) * scale
        first = max(int(center - SUPPORT * stretch + 0.5), 0)
        last = min(int(center + SUPPORT * stretch + 0.5), columns)
        weights = cubic((np.arange(first, last, dtype=np.float64) - center + 0.5) / stretch)
        fixed = weights / weights.sum() * FIXED_POINT
        yield first, np.trunc(fixed + np.copysign(0.5, fixed))


def cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' cubic at a distance of x pixels."""
    x = np.abs(x)
    near = ((A + 2) * x - (A + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * A
    return np.where(x < 1, near, np.where(x < SUPPORT, far, 0.0))
