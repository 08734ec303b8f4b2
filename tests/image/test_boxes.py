"""Boxes in answers, and in pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from webgemma.image import Box, draw_boxes, parse_boxes

CASES = Path(__file__).parents[1] / "cases/boxes.json"


@pytest.mark.parametrize("case", json.loads(CASES.read_text(encoding="utf-8")))
def test_parse(case):
    """The page's web/runtime/image/boxes.js passes the same."""
    assert parse_boxes(case["text"]) == [
        Box(box["label"], *(edge / 1024 for edge in box["edges"]), tuple(box["segments"]))
        for box in case["boxes"]
    ]


def test_draw(tmp_path):
    pixels = np.zeros((200, 400, 3), np.uint8)
    path = tmp_path / "boxes.png"
    draw_boxes(
        pixels, [Box("cat", 0.25, 0.5, 0.75, 1.0), Box("upside down", 0.9, 0.1, 0.8, 0)], path
    )
    drawn = np.array(Image.open(path))
    assert drawn.shape == pixels.shape
    red = [0xE6, 0x19, 0x4B]
    assert drawn[50, 300].tolist() == red  # the upper edge, and the left
    assert drawn[149, 200].tolist() == red
    assert not drawn[:40].any()
    assert drawn[170, 20].any()
    assert not pixels.any()
