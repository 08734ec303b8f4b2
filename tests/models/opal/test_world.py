"""Opal's pictures: drawn by number, true to their boxes, and held out by what they show."""

from __future__ import annotations

import math
from itertools import combinations, pairwise
from random import Random

import numpy as np
import pytest

from models.opal.world import (
    Box,
    Thing,
    caption,
    compose,
    coverage,
    is_held_out,
    picture_at,
    render,
)
from models.opal.world.palette import COLOURS
from models.opal.world.pictures import HELD_OUT_BELOW, MARGIN, MAX_THINGS, STEP
from models.opal.world.shapes import KINDS, MAX_ANGLE, RING_HOLE

SIZE = 400


def thing(kind: str, angle: float = 0.0, radius: float = 0.2) -> Thing:
    return Thing(kind, "red", COLOURS["red"], 0.53, 0.41, radius, angle)


def content(picture):
    return tuple(sorted((thing.colour, thing.kind) for thing in picture.things))


def test_a_number_is_a_picture():
    once, again = (picture_at(3, 8, held_out=False) for _ in range(2))
    assert once == again
    assert np.array_equal(render(once, 96), render(again, 96))
    others = [picture_at(4, 8, held_out=False), picture_at(3, 9, held_out=False)]
    assert all(once != other for other in others)


def test_the_pictures_are_the_same_everywhere():
    """Of Python's own random numbers alone: no library may change what was trained and graded."""
    assert [caption(picture_at(1, i, held_out=False)).answer for i in range(3)] == [
        "a black square left of a pink square",
        "a red star, a red triangle and a red triangle",
        "a yellow star left of a blue cross",
    ]


@pytest.mark.parametrize("angle", [0.0, MAX_ANGLE, -MAX_ANGLE / 3])
@pytest.mark.parametrize("kind", KINDS)
def test_the_box_is_where_the_shape_is(kind, angle):
    drawn = coverage(thing(kind, angle), SIZE) > 0.02
    rows, columns = np.flatnonzero(drawn.any(1)), np.flatnonzero(drawn.any(0))
    got = np.array([rows[0], columns[0], rows[-1] + 1, columns[-1] + 1]) / SIZE
    box = thing(kind, angle).box
    expected = [box.y_min, box.x_min, box.y_max, box.x_max]
    # A pointed corner fades before it ends; half a pixel is the ramp's.
    np.testing.assert_allclose(got, expected, atol=2.5 / SIZE)


@pytest.mark.parametrize(
    ("kind", "area"),
    [
        ("circle", math.pi),
        ("ring", math.pi * (1 - RING_HOLE**2)),
        ("square", 2.0),
        ("triangle", 3 * math.sqrt(3) / 4),
        ("star", 5 * 0.45 * math.sin(math.pi / 5)),
        ("cross", 0.6 * 2 * math.sqrt(1 - 0.3**2) * 2 - 0.6**2),
    ],
)
def test_the_area_is_the_shapes(kind, area):
    covered = coverage(thing(kind, MAX_ANGLE), SIZE).sum() / SIZE**2
    assert covered == pytest.approx(area * 0.2**2, rel=0.01)


@pytest.mark.parametrize("softness", [0.8, 1.0, 2.0])
def test_a_shape_has_its_colour_and_nothing_else_has(softness):
    picture = picture_at(1, 3, held_out=False)
    (circle,) = picture.things
    drawn = render(picture, 96, softness=softness)
    at = drawn[int(circle.y * 96), int(circle.x * 96)]
    np.testing.assert_array_equal(at, np.rint(255 * np.array(circle.tint, np.float32)))
    top, bottom = (np.rint(255 * np.array(c)) for c in (picture.top, picture.bottom))
    np.testing.assert_allclose(drawn[0], np.broadcast_to(top, (96, 3)), atol=1)
    np.testing.assert_allclose(drawn[-1], np.broadcast_to(bottom, (96, 3)), atol=1)


def test_drawing_larger_and_averaging_is_drawing_smaller():
    for index in range(20):
        picture = picture_at(2, index, held_out=False)
        small = render(picture, 96).astype(float)
        large = render(picture, 384).astype(float).reshape(96, 4, 96, 4, 3).mean((1, 3))
        difference = np.abs(small - large)
        assert difference.mean() < 0.5
        assert difference.max() < 80  # the tip of a star


def test_things_are_in_the_picture_and_apart():
    seen = set()
    for index in range(300):
        things = picture_at(5, index, held_out=False).things
        seen.add(len(things))
        assert all(b.x - a.x >= (STEP if len(things) > 2 else 0) for a, b in pairwise(things))
        for box in (t.box for t in things):
            assert min(box.y_min, box.x_min) > 0
            assert max(box.y_max, box.x_max) < 1
        for a, b in combinations((t.box for t in things), 2):
            assert a.overlap(b) == 0
            gaps = (a.x_min - b.x_max, b.x_min - a.x_max, a.y_min - b.y_max, b.y_min - a.y_max)
            assert max(gaps) >= MARGIN
    assert seen == set(range(1, MAX_THINGS + 1))


def test_held_out_pictures_show_what_no_training_picture_shows():
    training = [picture_at(seed, i, held_out=False) for seed in (1, 2) for i in range(1500)]
    held_out = [picture_at(500, i, held_out=True) for i in range(300)]
    assert not any(is_held_out(picture.things) for picture in training)
    assert all(is_held_out(picture.things) for picture in held_out)
    assert not set(map(content, training)) & set(map(content, held_out))
    # The same colours and kinds elsewhere, larger, or in another order are held out as well.
    one = held_out[0].things
    assert is_held_out(one[::-1])
    assert is_held_out([Thing(t.kind, t.colour, t.tint, 0.5, 0.5, 0.1, 0.0) for t in one])


def test_an_eighth_of_all_pictures_is_held_out():
    rng = Random(0)
    drawn = [is_held_out(compose(rng).things) for _ in range(3000)]
    assert sum(drawn) / len(drawn) == pytest.approx(HELD_OUT_BELOW / 256, abs=0.03)


def test_overlap_of_boxes():
    box = Box(0.0, 0.0, 0.4, 0.4)
    assert box.overlap(box) == 1
    assert box.overlap(Box(0.0, 0.2, 0.4, 0.6)) == pytest.approx(1 / 3)
    assert box.overlap(Box(0.1, 0.1, 0.3, 0.3)) == pytest.approx(1 / 4)
    assert box.overlap(Box(0.4, 0.4, 0.5, 0.5)) == 0
    assert box.overlap(Box(0.5, 0.0, 0.6, 0.4)) == 0
