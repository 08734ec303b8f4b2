"""The picture: where labels and ticks go, and that it is a file of its own."""

from __future__ import annotations

import itertools
from random import Random
from xml.etree import ElementTree

import pytest

from webgemma.scatter import Box, Panel, Point, draw_panels, place_labels, tick_label, ticks

AREA = Box(72, 44, 816, 364)
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.8, 130.0, [1, 10, 100]),
        (8.0, 70.0, [10, 20, 50]),
        (1.02, 1.5, [1.1, 1.2, 1.3, 1.4, 1.5]),
        (1e-5, 0.5, [1e-5, 1e-4, 1e-3, 1e-2, 1e-1]),
        (40.0, 90.0, [40, 50, 60, 70, 80, 90]),
    ],
)
def test_ticks_are_round_and_at_least_three(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == expected


@pytest.mark.parametrize(
    ("value", "text"), [(1e-5, "1e-5"), (0.0005, "0.0005"), (0.25, "0.25"), (2000.0, "2,000")]
)
def test_tick_labels_are_short(value: float, text: str) -> None:
    assert tick_label(value) == text


@pytest.mark.parametrize("seed", range(5))
def test_labels_overlap_nothing(seed: int) -> None:
    """25 points along a falling line, several at almost one place."""
    rng = Random(seed)
    places = [
        (90 + 25 * i + rng.uniform(-20, 20), 60 + 11 * i + rng.uniform(-20, 20)) for i in range(25)
    ]
    places[10] = places[11] = (places[12][0] + 1, places[12][1])
    boxes = place_labels(places, [f"IQ{i}_XXS" for i in range(25)], AREA)
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    assert all(AREA.holds(box) for box in boxes)
    points = [Box(x - 3, y - 3, x + 3, y + 3) for x, y in places]
    assert not any(box.overlaps(point) for box in boxes for point in points)


def test_boxes_that_touch_do_not_overlap() -> None:
    box = Box(0, 0, 10, 10)
    assert not box.overlaps(Box(10, 0, 20, 10))
    assert box.overlaps(Box(9, 9, 20, 20))


def draw() -> ElementTree.Element:
    points = [Point("a<b&c", 1.0, 40.0), Point("f16", 6.8, 41.0), Point("same", 6.8, 0.0)]
    return ElementTree.fromstring(draw_panels([Panel("One", "MB", points), Panel("Two", "MB", [])]))


def test_every_point_has_a_mark_and_a_label() -> None:
    svg = draw()
    assert len(svg.findall(f".//{SVG}circle")) == 3
    labels = [t.text for t in svg.iter(f"{SVG}text") if t.get("class") == "label"]
    assert labels == ["a<b&c", "f16", "same: 0"]
    assert [t.text for t in svg.iter(f"{SVG}text") if t.get("class") == "title"] == ["One", "Two"]


def test_the_picture_needs_nothing_else_and_follows_the_scheme() -> None:
    text = ElementTree.tostring(draw(), encoding="unicode")
    assert "prefers-color-scheme: dark" in text
    for word in ("href", "script", "url(", "import"):
        assert word not in text


def test_larger_is_further_right_and_higher() -> None:
    points = [Point("a", 1.0, 10.0), Point("b", 10.0, 100.0)]
    svg = ElementTree.fromstring(draw_panels([Panel("t", "x", points)]))
    first, second = svg.findall(f".//{SVG}circle")
    assert float(second.get("cx", "0")) > float(first.get("cx", "0"))
    assert float(second.get("cy", "0")) < float(first.get("cy", "0"))
