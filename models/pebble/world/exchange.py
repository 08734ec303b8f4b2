"""One question and its answer, and the rule that keeps some questions out of training."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from random import Random
from typing import Any

HELD_OUT_PERCENT = 10


@dataclass(frozen=True, slots=True)
class Exchange:
    """A prompt, one good reply, and what a grader needs to know to judge another reply.

    `expect` is plain data; `grade.py` reads it. `held_out` exchanges are never trained on.
    `topic` names the intent, so that a conversation can follow up on it.
    """

    category: str
    prompt: str
    reply: str
    expect: dict[str, Any]
    held_out: bool
    topic: str = ""


def normalise(text: str) -> str:
    """Lower-case and drop punctuation, so that spelling variants share one fate in the split."""
    return " ".join(re.findall(r"[a-z0-9+\-*/=']+", text.lower()))


def in_held_out_share(key: str) -> bool:
    """Whether this key falls in the share that training never sees (a hash, so it is stable)."""
    digest = hashlib.sha256(f"pebble:{key}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % 100 < HELD_OUT_PERCENT


def exchange(
    category: str, prompt: str, reply: str, *, expect: dict[str, Any], topic: str = ""
) -> Exchange:
    """Build an exchange whose place in the split is decided by its whole prompt."""
    held_out = in_held_out_share(normalise(prompt))
    return Exchange(category, prompt, reply, expect, held_out, topic)


LEADS = ("Hey Pebble, ", "Pebble, ", "Please tell me, ", "Okay, ", "So, ", "Hi! ", "Hello! ")
TAILS = (" please?", ", please?", ", Pebble?", "? Do you know?")
KEEPS_ITS_CAPITAL = ("I ", "I'm", "I'd", "Monday", "Pebble")


def lower_first(text: str) -> str:
    """Lower-case the first letter, unless the first word wants its capital."""
    if text.startswith(KEEPS_ITS_CAPITAL):
        return text
    return text[:1].lower() + text[1:]


def vary(prompt: str, rng: Random, *, wrap: bool = True) -> str:
    """Say the same thing as people type it: with a lead, a please, no capitals, no full stop."""
    if wrap and rng.random() < 0.3:
        lead = rng.choice(LEADS)
        prompt = lead + (prompt if lead.endswith("! ") else lower_first(prompt))
    if wrap and prompt.endswith("?") and rng.random() < 0.12:
        prompt = prompt[:-1] + rng.choice(TAILS)
    if rng.random() < 0.3:
        prompt = prompt.lower()
    if rng.random() < 0.25:
        prompt = prompt.rstrip("?.!")
    return prompt


def with_article(noun: str) -> str:
    """Put "a" or "an" before a noun."""
    return f"an {noun}" if noun[0].lower() in "aeio" or noun.startswith("umb") else f"a {noun}"


def capital(text: str) -> str:
    """Upper-case the first letter and keep the rest."""
    return text[:1].upper() + text[1:]
