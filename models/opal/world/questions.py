"""Prompts and answers in PaliGemma's words: caption, count, detect.

Boxes are four tokens, y_min x_min y_max x_max in 1024ths (https://arxiv.org/abs/2407.07726). Opal
uses every sixteenth of them: 64 places are finer than it can see, and each is met often enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from . import palette, shapes
from .pictures import MAX_THINGS, Box, Picture, Thing

BINS = 1024  # PaliGemma's
BIN_STEP = 16
CAPTION_PROMPT = "caption en"
NOTHING = "no"
ANY_KIND = "shape"

# How often a phrase names colour and kind, the kind, the colour, or neither.
NAMED = ((True, True), (False, True), (True, False), (False, False))
NAMED_WEIGHTS = (50, 25, 20, 5)
ABSENT_SHARE = {"count": 0.2, "detect": 0.15}
COUNT_PROMPTS = ("how many {}?", "count {}")


@dataclass(frozen=True, slots=True)
class Phrase:
    """What is asked for: `red circle`, `circle`, `red shape` or `shape`."""

    colour: str | None
    kind: str | None

    def __str__(self) -> str:
        return " ".join(filter(None, (self.colour, self.kind or ANY_KIND)))

    @property
    def plural(self) -> str:
        """The phrase for many."""
        return " ".join(filter(None, (self.colour, shapes.PLURALS[self.kind or ANY_KIND])))


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt about a picture, and its one right answer."""

    task: str  # caption, count or detect
    prompt: str
    answer: str
    asked: tuple[int, ...]
    """Which of the picture's things it is about, in the order of the answer."""
    phrase: Phrase = Phrase(None, None)
    """What is asked for; of a caption all there is."""


def matching(phrase: Phrase, things: Sequence[Thing]) -> list[Thing]:
    """The things that a phrase names, in the order given."""
    return [things[number] for number in matching_numbers(phrase, things)]


def matching_numbers(phrase: Phrase, things: Sequence[Thing]) -> tuple[int, ...]:
    """The numbers of the things that a phrase names, in ascending order."""
    return tuple(
        number
        for number, thing in enumerate(things)
        if phrase.colour in (None, thing.colour) and phrase.kind in (None, thing.kind)
    )


def _article(thing: Thing) -> str:
    article = "an" if thing.colour[0] in "aeiou" else "a"
    return f"{article} {thing.colour} {thing.kind}"


def caption(picture: Picture) -> Question:
    """Say what a picture shows: how two things lie to each other, more from left to right."""
    names = [_article(thing) for thing in picture.things]
    asked = tuple(range(len(names)))
    if len(names) == 2:
        left, right = picture.things
        if right.x - left.x > abs(right.y - left.y):
            answer = f"{names[0]} left of {names[1]}"
        else:
            asked = (0, 1) if left.y < right.y else (1, 0)
            answer = f"{names[asked[0]]} above {names[asked[1]]}"
    else:
        *first, last = names
        answer = f"{', '.join(first)} and {last}" if first else last
    return Question("caption", CAPTION_PROMPT, answer, asked)


def count_question(rng: Random, picture: Picture) -> Question:
    """Ask how many there are of something."""
    phrase = _phrase(rng, picture.things, "count")
    prompt = rng.choice(COUNT_PROMPTS).format(phrase.plural)
    asked = matching_numbers(phrase, picture.things)
    return Question("count", prompt, str(len(asked)), asked, phrase)


def detect_question(rng: Random, picture: Picture) -> Question:
    """Ask where something is."""
    phrase = _phrase(rng, picture.things, "detect")
    asked = matching_numbers(phrase, picture.things)
    found = [f"{location(picture.things[number].box)} {phrase}" for number in asked]
    answer = " ; ".join(found) or f"{NOTHING} {phrase}"
    return Question("detect", f"detect {phrase}", answer, asked, phrase)


def location(box: Box) -> str:
    """The four tokens of a box."""
    edges = (box.y_min, box.x_min, box.y_max, box.x_max)
    last = BINS // BIN_STEP - 1
    places = (min(round(edge * BINS / BIN_STEP), last) * BIN_STEP for edge in edges)
    return "".join(f"<loc{place:04}>" for place in places)


def _phrase(rng: Random, things: Sequence[Thing], task: str) -> Phrase:
    if rng.random() < ABSENT_SHARE[task]:
        return _absent(rng, things)
    thing = rng.choice(things)
    colour, kind = rng.choices(NAMED, NAMED_WEIGHTS)[0]
    return Phrase(thing.colour if colour else None, thing.kind if kind else None)


def _absent(rng: Random, things: Sequence[Thing]) -> Phrase:
    """Something that is not there; half the time the colour is, or the kind."""
    while True:
        colour = rng.choice(things).colour if rng.random() < 0.5 else rng.choice(palette.NAMES)
        kind = rng.choice(things).kind if rng.random() < 0.5 else rng.choice(shapes.KINDS)
        phrase = Phrase(colour, kind)
        if not matching(phrase, things):
            return phrase


def vocabulary() -> tuple[list[str], list[str]]:
    """(words that follow a space, words that begin a text) of all prompts and answers."""
    inner = [*palette.NAMES, *shapes.PLURALS, *shapes.PLURALS.values()]
    inner += ["en", "many", "a", "an", "and", "left", "of", "above", ";"]
    return inner, ["caption", "detect", "count", "how", NOTHING, "an"]


def single_characters() -> Iterator[str]:
    """Signs and digits that are words of their own."""
    yield from (",", "?", ";", "a")
    yield from map(str, range(MAX_THINGS + 1))
