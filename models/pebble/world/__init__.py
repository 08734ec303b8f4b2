"""Pebble's world: the only text that Pebble ever reads, made up here from a seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

from . import arithmetic, colours, counting, days, greetings, itself, opposites, outside, stories
from .exchange import Exchange, normalise

__all__ = [
    "DRAWS",
    "LATE_WEIGHTS",
    "SECOND_ROUND_WEIGHTS",
    "THIRD_ROUND_WEIGHTS",
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
# How often each category is drawn in training. Stories are long, so few are many.
WEIGHTS = {
    "greetings": 9, "itself": 13, "colours": 13, "counting": 15, "sums": 20, "differences": 20,
    "opposites": 9, "days": 14, "stories": 9, "outside": 12, "invented": 3,
}  # fmt: skip
# For later in training, when the language is learned and the facts and the carries are not yet.
LATE_WEIGHTS = {
    "greetings": 10, "itself": 11, "colours": 13, "counting": 15, "sums": 26, "differences": 22,
    "opposites": 14, "days": 13, "stories": 3, "outside": 10, "invented": 1.5,
}  # fmt: skip
# For the second round: what the first round left weakest, copying new names above all.
SECOND_ROUND_WEIGHTS = {
    "greetings": 19, "itself": 11, "colours": 17, "counting": 22, "sums": 13, "differences": 13,
    "opposites": 15, "days": 10, "stories": 3, "outside": 12, "invented": 5,
}  # fmt: skip
THIRD_ROUND_WEIGHTS = {
    "greetings": 26, "itself": 12, "colours": 17, "counting": 20, "sums": 16, "differences": 16,
    "opposites": 17, "days": 9, "stories": 3, "outside": 13, "invented": 4,
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


def _draw_for_training(
    rng: Random, previous: Exchange | None, weights: Mapping[str, float]
) -> Exchange:
    """Draw an exchange that is not held out: a follow-up, or something new."""
    while True:
        drawn = None
        if previous and previous.category in FOLLOW_UPS and rng.random() < FOLLOW_UP_SHARE:
            drawn = FOLLOW_UPS[previous.category](previous, rng)
        if drawn is None:
            category = rng.choices(tuple(weights), tuple(weights.values()))[0]
            drawn = DRAWS[category](rng)
        if not drawn.held_out:
            return drawn


def conversation(
    rng: Random, *, longest: int = 4, weights: Mapping[str, float] = WEIGHTS
) -> list[Exchange]:
    """Draw a conversation for training: mostly one or two exchanges, at most `longest`."""
    turns = min(longest, rng.choices((1, 2, 3, 4), (50, 25, 15, 10))[0])
    if longest > 4:
        turns = rng.randint(3, longest)
    talk: list[Exchange] = []
    for _ in range(turns):
        talk.append(_draw_for_training(rng, talk[-1] if talk else None, weights))
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
