"""What is right in an answer: words of a caption, a count, boxes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .world import Box, Phrase, Picture, Question, matching
from .world.palette import NAMES
from .world.questions import ANY_KIND, BINS

GOOD_OVERLAP = 0.5  # intersection over union
_BOX = re.compile(r"((?:<loc\d{4}>){4})([^<;]*)")


@dataclass(slots=True)
class Tally:
    """How many of something are right."""

    right: float = 0
    total: int = 0
    has_bar: bool = True

    def add(self, right: float, total: int) -> None:
        """Count some more."""
        self.right += right
        self.total += total

    @property
    def share(self) -> float:
        """Right ones of all, 0 if there are none."""
        return self.right / self.total if self.total else 0.0

    def __repr__(self) -> str:
        return f"{100 * self.share:.1f} % of {self.total}"


def judge(
    cases: Iterable[tuple[Picture, Sequence[Question]]], answers: Sequence[str]
) -> dict[str, Tally]:
    """Compare answers, in the order of the questions, with the truth.

    Words of a caption must stand in their places, and a word too many counts as one more wrong. Of
    a detection every box that is there and every box that is answered must find its partner:
    the same label, and an overlap of at least a half. Whole captions and whole detections
    (all boxes right, or rightly none) are shown without a bar.
    """
    tallies = {
        "caption words": Tally(), "counts": Tally(), "boxes": Tally(),
        "whole captions": Tally(has_bar=False), "whole detections": Tally(has_bar=False),
    }  # fmt: skip
    remaining = iter(answers)
    for picture, questions in cases:
        for question in questions:
            answer = next(remaining).strip()
            if question.task == "caption":
                tallies["caption words"].add(*right_words(question.answer, answer))
                tallies["whole captions"].add(question.answer == answer, 1)
            elif question.task == "count":
                tallies["counts"].add(question.answer == answer, 1)
            else:
                right, total = right_boxes(picture, question, answer)
                tallies["boxes"].add(right, total)
                is_whole = right == total if total else question.answer == answer
                tallies["whole detections"].add(is_whole, 1)
    return tallies


def right_words(truth: str, answer: str) -> tuple[int, int]:
    """(words in their places, words of the longer text); commas belong to their words."""
    ours, theirs = truth.split(), answer.split()
    right = sum(a == b for a, b in zip(ours, theirs, strict=False))
    return right, max(len(ours), len(theirs))


def right_boxes(picture: Picture, question: Question, answer: str) -> tuple[int, int]:
    """(boxes that match, boxes there are or were answered, whichever is more)."""
    label = question.prompt.removeprefix("detect ")
    expected = [thing.box for thing in matching(parse_phrase(label), picture.things)]
    answered = list(parse_boxes(answer))
    free = [box for name, box in answered if name == label]
    right = 0
    for box in expected:
        best = max(free, key=box.overlap, default=None)
        if best is not None and box.overlap(best) >= GOOD_OVERLAP:
            free.remove(best)
            right += 1
    return right, max(len(expected), len(answered))


def parse_phrase(text: str) -> Phrase:
    """`red circle` as a phrase."""
    *colour, kind = text.split()
    assert not colour or colour[0] in NAMES, text
    return Phrase(colour[0] if colour else None, None if kind == ANY_KIND else kind)


def parse_boxes(answer: str) -> Iterable[tuple[str, Box]]:
    """Label and box of each four locations of an answer."""
    for match in _BOX.finditer(answer):
        edges = (int(place) / BINS for place in re.findall(r"\d{4}", match[1]))
        yield match[2].strip(), Box(*edges)
