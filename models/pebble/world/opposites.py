"""Opposites: hot and cold, big and small, and their friends."""

from __future__ import annotations

from random import Random

from .exchange import Exchange, capital, exchange, vary

PAIRS = (
    ("hot", "cold"), ("big", "small"), ("tall", "short"), ("fast", "slow"), ("up", "down"),
    ("left", "right"), ("day", "night"), ("light", "dark"), ("happy", "sad"), ("wet", "dry"),
    ("full", "empty"), ("open", "closed"), ("old", "young"), ("soft", "hard"), ("in", "out"),
    ("loud", "quiet"), ("early", "late"), ("near", "far"), ("high", "low"), ("rich", "poor"),
    ("clean", "dirty"), ("strong", "weak"), ("thick", "thin"), ("wide", "narrow"),
    ("deep", "shallow"), ("true", "false"), ("yes", "no"),
    ("front", "back"), ("top", "bottom"), ("first", "last"), ("begin", "finish"),
    ("push", "pull"), ("give", "take"), ("win", "lose"), ("buy", "sell"), ("come", "go"),
    ("love", "hate"), ("remember", "forget"), ("always", "never"), ("more", "less"),
    ("many", "few"), ("summer", "winter"), ("north", "south"), ("east", "west"),
    ("sweet", "sour"), ("smooth", "rough"), ("brave", "afraid"), ("asleep", "awake"),
    ("inside", "outside"), ("above", "below"), ("before", "after"), ("laugh", "cry"),
    ("friend", "enemy"), ("question", "answer"), ("black", "white"), ("straight", "crooked"),
    ("sharp", "blunt"), ("rise", "sink"), ("arrive", "leave"), ("easy", "difficult"),
    ("kind", "cruel"), ("noise", "silence"), ("hello", "goodbye"), ("sunrise", "sunset"),
    ("tight", "loose"), ("polite", "rude"), ("calm", "stormy"), ("whisper", "shout"),
)  # fmt: skip
OPPOSITE = {a: b for a, b in PAIRS} | {b: a for a, b in PAIRS}
WORDS = tuple(OPPOSITE)

QUESTIONS = (
    "What is the opposite of {w}?", "What's the opposite of {w}?", "Opposite of {w}?",
    "Tell me the opposite of {w}.", "Which word is the opposite of {w}?", "The opposite of {w}?",
    "Give me the opposite of {w}.", "Can you tell me the opposite of {w}?",
    "What word means the opposite of {w}?", "Do you know the opposite of {w}?",
    'What is the opposite of "{w}"?', "What is the contrary of {w}?", "If not {w}, then what?",
    "Name the opposite of {w}.", "I say {w}, you say the opposite.",
)  # fmt: skip
REPLIES = (
    "The opposite of {w} is **{o}**.", "{W} and **{o}** are opposites.",
    "That would be **{o}**: the opposite of {w}.",
)  # fmt: skip
FOLLOW_UPS = ("And the opposite of {w}?", "And {w}?", "What about {w}?", "Now {w}.")


def ask(word: str, question: str, rng: Random) -> Exchange:
    """Ask for the opposite of one word."""
    other = OPPOSITE[word]
    reply = rng.choice(REPLIES).format(w=word, W=capital(word), o=other)
    expect = {"kind": "words", "must": [other], "group": "opposites", "may": [word]}
    prompt = vary(question.format(w=word), rng)
    return exchange("opposites", prompt, reply, expect=expect, topic="opposites")


def draw(rng: Random) -> Exchange:
    """Draw a question about an opposite."""
    return ask(rng.choice(WORDS), rng.choice(QUESTIONS), rng)


def follow_up(previous: Exchange, rng: Random) -> Exchange:
    """Ask for one more opposite, in few words."""
    return ask(rng.choice(WORDS), rng.choice(FOLLOW_UPS), rng)
