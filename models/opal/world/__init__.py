"""Opal's world: pictures of coloured shapes, and questions about them with their answers."""

from .pictures import Box, Picture, Thing, compose, is_held_out, picture_at
from .questions import (
    CAPTION_PROMPT,
    Phrase,
    Question,
    caption,
    count_question,
    detect_question,
    location,
    matching,
    vocabulary,
)
from .raster import coverage, render

__all__ = [
    "CAPTION_PROMPT",
    "Box",
    "Phrase",
    "Picture",
    "Question",
    "Thing",
    "caption",
    "compose",
    "count_question",
    "coverage",
    "detect_question",
    "is_held_out",
    "location",
    "matching",
    "picture_at",
    "render",
    "vocabulary",
]
