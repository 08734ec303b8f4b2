"""Pictures as lists of things, drawn by chance and by construction seen or held out.

A picture is held out by what is in it: whichever colours and kinds a hash of them all chooses
never stand together in a training picture, wherever they lie and however large they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from . import palette, shapes

MAX_THINGS = 5
COUNT_WEIGHTS = (3, 4, 4, 4, 4)  # of pictures with 1, 2, ... things
RADII = {1: (0.09, 0.24), 2: (0.09, 0.21), 3: (0.08, 0.17), 4: (0.08, 0.15), 5: (0.08, 0.14)}
"""Number of things -> the range of their radii, in widths of the picture."""
MARGIN = 0.02  # between a thing and the edge, and between two boxes
STEP = 0.06  # at least, from a centre to the next on its right: "left to right" is never a guess
LEANING = 0.10  # of two things: how much clearer is left and right than above and below, or less
SAME_AGAIN = 0.3  # how often a thing repeats the kind or the colour of one before it
TRIES = 60
HELD_OUT_BELOW = 32  # of 256 values of the hash


@dataclass(frozen=True, slots=True)
class Box:
    """Edges as fractions of the picture's height and width."""

    y_min: float
    x_min: float
    y_max: float
    x_max: float

    def overlap(self, other: Box) -> float:
        """Intersection over union."""
        height = min(self.y_max, other.y_max) - max(self.y_min, other.y_min)
        width = min(self.x_max, other.x_max) - max(self.x_min, other.x_min)
        both = max(height, 0) * max(width, 0)
        return both / (self.area + other.area - both) if both else 0.0

    @property
    def area(self) -> float:
        """Height times width."""
        return (self.y_max - self.y_min) * (self.x_max - self.x_min)

    def is_apart(self, other: Box) -> bool:
        """Whether MARGIN lies between the two."""
        return (
            self.x_min - other.x_max >= MARGIN
            or other.x_min - self.x_max >= MARGIN
            or self.y_min - other.y_max >= MARGIN
            or other.y_min - self.y_max >= MARGIN
        )


@dataclass(frozen=True, slots=True)
class Thing:
    """One coloured shape; lengths in widths of the picture."""

    kind: str
    colour: str
    tint: palette.Colour
    x: float
    y: float
    radius: float
    angle: float

    @property
    def box(self) -> Box:
        """The smallest box around it."""
        y_min, x_min, y_max, x_max = shapes.extent(self.kind, self.angle)
        r = self.radius
        return Box(self.y + r * y_min, self.x + r * x_min, self.y + r * y_max, self.x + r * x_max)


@dataclass(frozen=True, slots=True)
class Picture:
    """Things from left to right on a background that fades from its top to its bottom."""

    things: tuple[Thing, ...]
    top: palette.Colour
    bottom: palette.Colour


def is_held_out(things: Sequence[Thing]) -> bool:
    """Whether these kinds and colours together belong to the held-out pictures."""
    content = ",".join(sorted(f"{thing.colour} {thing.kind}" for thing in things))
    return hashlib.sha256(content.encode()).digest()[0] < HELD_OUT_BELOW


def picture_at(seed: int, index: int, *, held_out: bool) -> Picture:
    """The picture of this number: the same wherever it is asked for."""
    rng = Random(f"opal:{seed}:{index}:{'held out' if held_out else 'training'}")
    while True:
        picture = compose(rng)
        if is_held_out(picture.things) == held_out:
            return picture


def compose(rng: Random) -> Picture:
    """Draw a picture of either sort."""
    number = rng.choices(range(1, MAX_THINGS + 1), COUNT_WEIGHTS)[0]
    placed = None
    while placed is None:
        placed = _place(rng, number)
    things = tuple(sorted(placed, key=lambda thing: thing.x))
    return Picture(things, palette.pale(rng), palette.pale(rng))


def _place(rng: Random, number: int) -> list[Thing] | None:
    """Put things where there is room; None if there was none in the end."""
    things: list[Thing] = []
    for _ in range(TRIES):
        thing = _thing(rng, number, things)
        if _fits(thing, things, number):
            things.append(thing)
        if len(things) == number:
            return things
    return None


def _thing(rng: Random, number: int, before: Sequence[Thing]) -> Thing:
    kind, colour = rng.choice(shapes.KINDS), rng.choice(palette.NAMES)
    if before and rng.random() < SAME_AGAIN:
        kind = rng.choice(before).kind
    if before and rng.random() < SAME_AGAIN:
        colour = rng.choice(before).colour
    radius = rng.uniform(*RADII[number])
    low, high = radius + MARGIN, 1 - radius - MARGIN
    return Thing(
        kind, colour, palette.shade(rng, colour), rng.uniform(low, high), rng.uniform(low, high),
        radius, rng.uniform(-shapes.MAX_ANGLE, shapes.MAX_ANGLE),
    )  # fmt: skip


def _fits(thing: Thing, others: Sequence[Thing], number: int) -> bool:
    """Whether a thing is clear of the others, in the picture and in words."""
    if not all(thing.box.is_apart(other.box) for other in others):
        return False
    if number == 2 and others:
        dx, dy = abs(thing.x - others[0].x), abs(thing.y - others[0].y)
        return abs(dx - dy) >= LEANING
    return all(abs(thing.x - other.x) >= STEP for other in others)
