"""PNG files are told from damaged ones, and nothing is unpacked without end."""

from __future__ import annotations

import io
import random
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.support.messages import message_of
from webgemma.errors import FormatError
from webgemma.sources.png_file import SIGNATURE, check_png

AGAIN = " The file is damaged or incomplete; fetch it again."
MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(header: bytes = struct.pack(">IIBBBBB", 2, 1, 8, 0, 0, 0, 0), pixels: bytes = b"\0ab"):
    """A grey picture of two pixels, or of another header and other pixels."""
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(pixels)), chunk(b"IEND", b"")
    return SIGNATURE + b"".join(parts)


def saved(mode: str, size: tuple[int, int] = (13, 7), **options: object) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    image = Image.fromarray(pixels)
    file = io.BytesIO()
    (image.convert("L").convert("I").convert(mode) if mode == "I;16" else image.convert(mode)).save(
        file, "PNG", **options
    )
    return file.getvalue()


@pytest.mark.parametrize("mode", MODES)
def test_every_kind_of_pillows(mode: str) -> None:
    header = check_png(saved(mode), "x.png", max_side=13)
    assert (header.width, header.height) == (13, 7)


def test_every_byte_matters() -> None:
    """A byte changed anywhere is noticed."""
    data = saved("RGB")
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 1 << random.Random(at).randrange(8)
        with pytest.raises(FormatError):
            check_png(bytes(damaged), "x.png", max_side=1 << 31)


def test_every_length_matters() -> None:
    data = saved("P")
    for length in range(len(data)):
        with pytest.raises(FormatError):
            check_png(data[:length], "x.png", max_side=2048)


WIDE = struct.pack(">IIBBBBB", 70_000, 1, 8, 0, 0, 0, 0)
INTERLACED = struct.pack(">IIBBBBB", 2, 1, 8, 0, 0, 0, 1)
INDEXED = struct.pack(">IIBBBBB", 2, 1, 8, 3, 0, 0, 0)
HUGE = struct.pack(">IIBBBBB", 2048, 2048, 8, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            b"\xff\xd8\xff",
            "x.png: got a file that is not PNG, expected a PNG file. Save the picture as PNG.",
        ),
        (
            png(WIDE),
            "x.png: got 70,000 x 1 pixels, expected at most 2,048 a side. Make it smaller.",
        ),
        (
            png(INTERLACED),
            "x.png: header: got an interlaced picture, expected one that is not. "
            "Save it without interlacing.",
        ),
        (
            png(INDEXED),
            "x.png: got no palette, expected one, as the pixels are indices." + AGAIN,
        ),
        (
            png() + b"<html>",
            "x.png: byte 68: got 6 bytes, expected the end of the file." + AGAIN,
        ),
        (
            png(pixels=b"\0a"),
            "x.png: pixels: got 2 bytes, expected 3 bytes and their end." + AGAIN,
        ),
        (
            png(pixels=bytes(1 << 20)),
            "x.png: pixels: got more, expected 3 bytes and their end." + AGAIN,
        ),
        (
            png(pixels=b"\7ab"),
            "x.png: pixels: got a row with an unknown filter, expected filters 0 to 4." + AGAIN,
        ),
        (
            png().replace(zlib.compress(b"\0ab"), bytes(11)),
            "x.png: chunk b'IDAT', byte 33: got a wrong check sum, expected the right one." + AGAIN,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "png",
)
def test_what_is_refused(data: bytes, expected: str) -> None:
    message = message_of(FormatError, lambda: check_png(data, "x.png", max_side=2048))
    assert message == expected


def test_pixels_that_never_end_are_not_unpacked() -> None:
    """A few kilobytes that unpack to 400 MB end with what the header says."""
    data = png(HUGE, bytes(400 << 20))
    tracemalloc.start()
    with pytest.raises(FormatError):
        check_png(data, "x.png", max_side=2048)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(data) < 1 << 20
    assert peak < 32 << 20
