"""The common shape of small talk: many ways to ask, a few good replies, a word to look for."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from .exchange import Exchange, exchange, vary


@dataclass(frozen=True, slots=True)
class Intent:
    """One thing people say. Each reply contains at least one of `marks`."""

    name: str
    asks: tuple[str, ...]
    replies: tuple[str, ...]
    marks: tuple[str, ...]


def intent(name: str, asks: str, replies: str, marks: str) -> Intent:
    """Build an intent from `|`-separated text."""
    split = [tuple(part.strip() for part in text.split("|")) for text in (asks, replies, marks)]
    return Intent(name, split[0], split[1], split[2])


def ask(category: str, it: Intent, rng: Random, *, wrap: bool = True) -> Exchange:
    """Draw one way of asking and one reply."""
    expect = {"kind": "any_of", "texts": list(it.marks)}
    prompt = vary(rng.choice(it.asks), rng, wrap=wrap)
    return exchange(category, prompt, rng.choice(it.replies), expect=expect, topic=it.name)
