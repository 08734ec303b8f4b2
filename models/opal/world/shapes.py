"""The kinds of shapes: outlines around the origin, within radius 1, y pointing down."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

KINDS = ("circle", "ring", "square", "triangle", "star", "cross")
PLURALS = {kind: f"{kind}es" if kind == "cross" else f"{kind}s" for kind in (*KINDS, "shape")}

RING_HOLE = 0.55  # the hole's radius
STAR_WAIST = 0.45  # radius of the inner corners
CROSS_ARM = 0.3  # half the width of an arm
MAX_ANGLE = math.radians(12)  # turned further, a square would be a diamond

Points = NDArray[np.float64]  # [..., 2]: x, y
Plane = NDArray[np.float32]


def _regular(corners: int, radii: tuple[float, ...], start: float) -> Points:
    """Corners [corners, 2] at equal angles, their radii in turn."""
    angles = start + 2 * math.pi * np.arange(corners) / corners
    lengths = np.resize(radii, corners)
    return np.stack([lengths * np.cos(angles), lengths * np.sin(angles)], axis=-1)


def _cross() -> Points:
    """The twelve corners of a plus sign whose arms end at radius 1."""
    long, short = math.sqrt(1 - CROSS_ARM**2), CROSS_ARM
    quarter = np.array([(short, -long), (short, -short), (long, -short)])
    turn = np.array([(0, 1), (-1, 0)])  # by a right angle, from the right arm to the lower one
    return np.concatenate([quarter @ np.linalg.matrix_power(turn, n) for n in range(4)])


UP = -math.pi / 2
OUTLINES: dict[str, Points] = {
    "square": _regular(4, (1.0,), math.pi / 4),
    "triangle": _regular(3, (1.0,), UP),
    "star": _regular(10, (1.0, STAR_WAIST), UP),
    "cross": _cross(),
}
"""Kind -> corners [n, 2]; circle and ring have none."""


def corners(kind: str, angle: float) -> Points:
    """The corners of a shape turned by `angle` radians, [n, 2]."""
    cos, sin = math.cos(angle), math.sin(angle)
    return OUTLINES[kind] @ np.array([(cos, sin), (-sin, cos)])


def extent(kind: str, angle: float) -> tuple[float, float, float, float]:
    """y_min, x_min, y_max, x_max of a shape of radius 1."""
    if kind not in OUTLINES:
        return -1.0, -1.0, 1.0, 1.0
    points = corners(kind, angle)
    (x_min, y_min), (x_max, y_max) = points.min(0), points.max(0)
    return float(y_min), float(x_min), float(y_max), float(x_max)


def signed_distance(kind: str, angle: float, x: Plane, y: Plane) -> Plane:
    """How far points are from the outline: below zero inside.

    `x` and `y` are float32 of any shape; so is the result.
    """
    if kind in OUTLINES:
        return _distance_to_polygon(corners(kind, angle).astype(np.float32), x, y)
    radius = np.hypot(x, y)
    return radius - 1 if kind == "circle" else np.maximum(radius - 1, RING_HOLE - radius)


def _distance_to_polygon(polygon: NDArray[np.float32], x: Plane, y: Plane) -> Plane:
    """The distance to the nearest edge, negative where a ray to the right crosses oddly often."""
    place = (slice(None), *[None] * x.ndim)  # edges first, then the points
    start_x, start_y = polygon[:, 0][place], polygon[:, 1][place]
    edge_x, edge_y = np.roll(start_x, -1, 0) - start_x, np.roll(start_y, -1, 0) - start_y
    dx, dy = x - start_x, y - start_y  # [n, ...]
    along = np.clip((dx * edge_x + dy * edge_y) / (edge_x**2 + edge_y**2), 0, 1)
    squared = ((dx - along * edge_x) ** 2 + (dy - along * edge_y) ** 2).min(0)
    # A level edge spans nothing, so what it is divided by does not matter.
    slope = edge_x / np.where(edge_y == 0, 1, edge_y)
    crosses = ((dy < 0) != (dy < edge_y)) & (dx < dy * slope)
    return np.where(crosses.sum(0) % 2 == 1, -1, 1) * np.sqrt(squared)
