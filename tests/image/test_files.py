"""Image files as they come: palettes, transparency, rotated photographs, and no images at all."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from PIL import Image

from webgemma.errors import ConfigError
from webgemma.image import Box, draw_boxes, read_image

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)


def test_png(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), PIXELS)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1", "CMYK"])
def test_other_kinds(tmp_path, mode):
    image = Image.fromarray(PIXELS).convert(mode)
    image.save(tmp_path / "a.tif")
    pixels = read_image(str(tmp_path / "a.tif"))
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, np.array(image.convert("RGB")))


def test_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees
    Image.fromarray(PIXELS).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.rot90(PIXELS, -1))


def test_no_image(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_text("hello")
    with pytest.raises(ConfigError) as error:
        read_image(path)
    assert str(error.value) == (
        f"{path}: not an image that can be read: cannot identify image file {str(path)!r}. "
        "Give a PNG or JPEG file."
    )


def test_unknown_ending(tmp_path):
    path = tmp_path / "boxes.xyz"
    with pytest.raises(ConfigError) as error:
        draw_boxes(PIXELS, [Box("", 0, 0, 1, 1)], path)
    assert str(error.value) == f"{path}: the image cannot be written: unknown file extension: .xyz."


def test_without_pillow(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ConfigError) as error:
        read_image("a.png")
    assert str(error.value) == (
        "image: Pillow is not installed, which reads image files. Install webgemma[images]."
    )
