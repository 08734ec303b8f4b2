"""Our resampling is Pillow's, pixel by pixel."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.support.speckles import CASES, by_passes, by_pillow, encode, speckles
from webgemma.errors import ConfigError
from webgemma.image import normalize, prepare_image, resize

SIZES = [(640, 480), (31, 500), (224, 224), (225, 223), (100, 224), (1, 1), (7, 3), (1023, 57)]


def picture(width, height):
    """Noise, with the hardest edges there are in one half."""
    pixels = np.random.default_rng(width * height).integers(0, 256, (height, width, 3), np.uint8)
    pixels[:, : width // 2] = np.where(pixels[:, : width // 2] > 127, 255, 0)
    return pixels


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("target", [(224, 224), (56, 30)])
def test_equals_pillow_pass_by_pass(width, height, target):
    pixels = picture(width, height)
    np.testing.assert_array_equal(resize(pixels, *target), by_passes(pixels, *target))


@pytest.mark.parametrize(("width", "height"), [(640, 480), (600, 800), (1920, 300)])
def test_equals_pillow(width, height):
    pixels = picture(width, height)
    np.testing.assert_array_equal(resize(pixels, 224, 224), by_pillow(pixels, (224, 224)))


@pytest.mark.parametrize("case", json.loads(CASES.read_text(encoding="utf-8")))
def test_cases_that_the_page_passes_too(case):
    pixels = speckles(*case["from"])
    assert encode(by_passes(pixels, *case["to"])) == case["pixels"]
    assert encode(resize(pixels, *case["to"])) == case["pixels"]


def test_normalized():
    pixels = np.array([[[0, 255, 51]]], np.uint8)
    got = normalize(pixels, [0.5, 0.5, 0.5], [0.5, 0.5, 0.25])
    assert got.shape == (3, 1, 1)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got[:, 0, 0], [-1, 1, (0.2 - 0.5) / 0.25], rtol=1e-6)


def test_prepared():
    pixels = picture(50, 40)
    got = prepare_image(pixels, {"size": 28, "mean": [0.5] * 3, "std": [0.5] * 3})
    resized = by_passes(pixels, 28, 28)
    np.testing.assert_allclose(got, resized.transpose(2, 0, 1) / 127.5 - 1, atol=1e-6)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (
            np.zeros((2, 2), np.uint8),
            "image: got an array of shape [2, 2], expected [height, width, 3]: red, green and "
            "blue.",
        ),
        (
            np.zeros((2, 2, 3), np.float32),
            "image: got an array float32 [2, 2, 3], expected uint8 [height, width, channels].",
        ),
        (
            np.zeros((0, 2, 3), np.uint8),
            "image: got an array uint8 [0, 2, 3], expected uint8 [height, width, channels].",
        ),
    ],
)
def test_no_image(pixels, message):
    with pytest.raises(ConfigError) as error:
        prepare_image(pixels, {"size": 28, "mean": [0.5] * 3, "std": [0.5] * 3})
    assert str(error.value) == message
