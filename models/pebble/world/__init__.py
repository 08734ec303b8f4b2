"""Pebble's world: the only text that Pebble ever reads, made up here from a seed."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from . import arithmetic, colours, counting, days, greetings, itself, opposites, outside, stories
from .exchange import Exchange, normalise

__all__ = [
    "DRAWS",
    "WEIGHTS",
    "Exchange",
    "conversation",
    "draw_from",
    "draw_held_out",
    "normalise",
]

DRAWS: dict[str, Callable[[Random], Exchange]] = {
    "greetings": greetings.draw,
    "itself": itself.draw,
    "colours": colours.draw,
    "counting": counting.draw,
    "sums": arithmetic.draw_sum,
    "differences": arithmetic.draw_difference,
    "opposites": opposites.draw,
    "days": days.draw,
    "stories": stories.draw,
    "outside": outside.draw,
    "invented": stories.draw_invented,
}
# How often each category opens an exchange in training. Stories are long, so few are many.
WEIGHTS = {
    "greetings": 9, "itself": 13, "colours": 13, "counting": 15, "sums": 20, "differences": 20,
    "opposites": 9, "days": 14, "stories": 9, "outside": 12, "invented": 3,
}  # fmt: skip
FOLLOW_UPS: dict[str, Callable[[Exchange, Random], Exchange | None]] = {
    "colours": colours.follow_up,
    "counting": counting.follow_up,
    "sums": arithmetic.follow_up,
    "differences": arithmetic.follow_up,
    "opposites": opposites.follow_up,
    "days": days.follow_up,
    "stories": stories.follow_up,
}
FOLLOW_UP_SHARE = 0.4


def _draw_for_training(rng: Random, previous: Exchange | None) -> Exchange:
    """Draw an exchange that is not held out: a follow-up, or something new."""
    while True:
        drawn = None
        if previous and previous.category in FOLLOW_UPS and rng.random() < FOLLOW_UP_SHARE:
            drawn = FOLLOW_UPS[previous.category](previous, rng)
        if drawn is None:
            category = rng.choices(tuple(WEIGHTS), tuple(WEIGHTS.values()))[0]
            drawn = DRAWS[category](rng)
        if not drawn.held_out:
            return drawn


def conversation(rng: Random, *, longest: int = 4) -> list[Exchange]:
    """Draw a conversation for training: mostly one or two exchanges, at most `longest`."""
    turns = min(longest, rng.choices((1, 2, 3, 4), (50, 25, 15, 10))[0])
    if longest > 4:
        turns = rng.randint(3, longest)
    talk: list[Exchange] = []
    for _ in range(turns):
        talk.append(_draw_for_training(rng, talk[-1] if talk else None))
    return talk


def draw_from(category: str, rng: Random) -> Exchange:
    """Draw any exchange of a category, held out or not."""
    return DRAWS[category](rng)


def draw_held_out(category: str, rng: Random) -> Exchange:
    """Draw an exchange that training never sees."""
    while True:
        drawn = DRAWS[category](rng)
        if drawn.held_out:
            return drawn
