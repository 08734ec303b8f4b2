"""Draws pictures: every pixel takes as much of a shape's colour as the shape covers of it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from . import shapes
from .pictures import Picture, Thing


def coverage(thing: Thing, size: int) -> NDArray[np.float32]:
    """How much of each pixel a thing covers, float32 [size, size] from 0 to 1."""
    result = np.zeros((size, size), np.float32)
    rows, columns, share = _stamp(thing, size, softness=1.0)
    result[rows, columns] = share
    return result


def _stamp(thing: Thing, size: int, *, softness: float) -> tuple[slice, slice, NDArray[np.float32]]:
    """The rows and columns that a thing touches, and how much of each pixel there it covers."""
    reach = thing.radius + softness / size
    rows, columns = _pixels(thing.y, reach, size), _pixels(thing.x, reach, size)
    centres = (np.arange(size, dtype=np.float32) + 0.5) / size
    x = (centres[columns] - thing.x) / thing.radius
    y = (centres[rows] - thing.y) / thing.radius
    grid_x, grid_y = np.meshgrid(x, y)
    distance = shapes.signed_distance(thing.kind, thing.angle, grid_x, grid_y)
    share = np.clip(0.5 - distance * (thing.radius * size / softness), 0, 1)
    return rows, columns, share.astype(np.float32)


def _pixels(centre: float, reach: float, size: int) -> slice:
    """The rows or columns that lie within reach."""
    first = math.floor((centre - reach) * size)
    return slice(max(first, 0), min(math.ceil((centre + reach) * size), size))


def render(picture: Picture, size: int, *, softness: float = 1.0) -> NDArray[np.uint8]:
    """Draw a picture, uint8 [size, size, 3].

    The ramp across an edge is `softness` pixels wide: 1 is the box filter, more is a blur.
    """
    down = ((np.arange(size) + 0.5) / size)[:, None]
    fade = np.asarray(picture.top) * (1 - down) + np.asarray(picture.bottom) * down
    canvas = np.repeat(fade[:, None].astype(np.float32), size, axis=1)
    for thing in picture.things:
        rows, columns, share = _stamp(thing, size, softness=softness)
        window = canvas[rows, columns]
        window += share[..., None] * (np.asarray(thing.tint, np.float32) - window)
    return np.rint(canvas * 255).astype(np.uint8)
