"""The colours of shapes, and the pale ones of backgrounds: red, green, blue from 0 to 1."""

from __future__ import annotations

from random import Random

Colour = tuple[float, float, float]

COLOURS: dict[str, Colour] = {
    "red": (0.86, 0.12, 0.13),
    "orange": (0.97, 0.52, 0.08),
    "yellow": (0.95, 0.84, 0.10),
    "green": (0.13, 0.62, 0.24),
    "blue": (0.12, 0.33, 0.84),
    "purple": (0.49, 0.16, 0.65),
    "pink": (0.97, 0.50, 0.72),
    "black": (0.08, 0.08, 0.09),
}
NAMES = tuple(COLOURS)

SHADE = 0.05  # how far a shape's channels stray from its colour's
DARKEST_BACKGROUND = 0.84
BACKGROUND_TINT = 0.05


def shade(rng: Random, name: str) -> Colour:
    """A colour near the one of this name."""
    red, green, blue = (min(1.0, max(0.0, c + rng.uniform(-SHADE, SHADE))) for c in COLOURS[name])
    return red, green, blue


def pale(rng: Random) -> Colour:
    """A background: nearly white or light grey, with a breath of colour."""
    light = rng.uniform(DARKEST_BACKGROUND, 1.0)
    red, green, blue = (light - rng.uniform(0, BACKGROUND_TINT) for _ in range(3))
    return red, green, blue
