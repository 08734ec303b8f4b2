"""Boxes in an answer of PaliGemma: `<loc0123>` four times, codes of a mask if any, a label.

The numbers are y_min, x_min, y_max, x_max in 1024ths of the picture; `;` separates boxes. Source:
the paper (https://arxiv.org/abs/2407.07726), section 3.2.5 and its prompts "detect" and "segment".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

BINS = 1024
_BOX = re.compile(r"((?:<loc\d{4}>){4})((?:<seg\d{3}>)*)([^<;]*)")


@dataclass(frozen=True, slots=True)
class Box:
    """A labelled box, its edges as fractions of the picture's height and width."""

    label: str
    y_min: float
    x_min: float
    y_max: float
    x_max: float
    segments: tuple[int, ...] = ()
    """The raw codes <seg000>..<seg127> of a mask, which webgemma does not decode."""


def parse_boxes(text: str) -> list[Box]:
    """The boxes of an answer, in order; a location that is not one of four is left out."""
    boxes = []
    for match in _BOX.finditer(text):
        y_min, x_min, y_max, x_max = (
            min(int(n), BINS - 1) / BINS for n in re.findall(r"\d{4}", match[1])
        )
        segments = tuple(int(n) for n in re.findall(r"\d{3}", match[2]))
        boxes.append(Box(match[3].strip(), y_min, x_min, y_max, x_max, segments))
    return boxes
