"""Boxes in answers, and in pictures."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from webgemma.image import Box, draw_boxes, parse_boxes

CAT = "<loc0256><loc0000><loc0512><loc1023> cat"


@pytest.mark.parametrize(
    ("text", "boxes"),
    [
        (CAT, [Box("cat", 0.25, 0.0, 0.5, 1023 / 1024)]),
        (
            f"{CAT} ; <loc0001><loc0002><loc0003><loc0004> a dog;",
            [
                Box("cat", 0.25, 0.0, 0.5, 1023 / 1024),
                Box("a dog", 1 / 1024, 2 / 1024, 3 / 1024, 4 / 1024),
            ],
        ),
        (
            CAT.replace(" cat", "<seg000><seg127> cat"),
            [Box("cat", 0.25, 0.0, 0.5, 1023 / 1024, (0, 127))],
        ),
        ("<loc0256><loc0000><loc0512> cat", []),
        ("<loc9999>" * 4, [Box("", *[1023 / 1024] * 4)]),
        ("a cat on a mat", []),
        ("", []),
    ],
)
def test_parse(text, boxes):
    assert parse_boxes(text) == boxes


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
