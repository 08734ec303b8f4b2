"""Images in and out: read, resize and normalize for a model that sees; boxes from its answers."""

from __future__ import annotations

from webgemma.image.boxes import Box, parse_boxes
from webgemma.image.files import draw_boxes, read_image
from webgemma.image.prepare import normalize, prepare_image
from webgemma.image.resize import resize

__all__ = [
    "Box",
    "draw_boxes",
    "normalize",
    "parse_boxes",
    "prepare_image",
    "read_image",
    "resize",
]
