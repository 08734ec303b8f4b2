"""PNG files: proves that a browser can show one, without a decoder of images.

Source: https://www.w3.org/TR/png-3/. Chunks, their check sums, the header and the length of the
pixels are checked; animation and everything else that a reader may skip is left alone.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from webgemma.sources.files import broken

SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER_NBYTES = 13
CHUNK_NBYTES = 12  # length, name and check sum of an empty chunk
MAX_FILTER = 4  # the highest type of filter that a row may have
# Colour type -> (channels, bits of each).
COLOURS = {
    0: (1, (1, 2, 4, 8, 16)),
    2: (3, (8, 16)),
    3: (1, (1, 2, 4, 8)),
    4: (2, (8, 16)),
    6: (4, (8, 16)),
}
PALETTE = 3


@dataclass(frozen=True, slots=True)
class PngHeader:
    """What the first chunk says."""

    width: int
    height: int
    colour: int
    channels: int
    bits: int

    @property
    def row_nbytes(self) -> int:
        """Bytes of a row: its filter, then the pixels."""
        return 1 + -(-self.width * self.channels * self.bits // 8)


def check_png(data: bytes, where: object, *, max_side: int) -> PngHeader:
    """Check a whole PNG file.

    Args:
        data: the file's bytes.
        where: the file, for messages.
        max_side: the most pixels in a row or a column.

    Raises:
        FormatError: it is damaged, too large, or no PNG file.
    """
    if not data.startswith(SIGNATURE):
        do = "Save the picture as PNG."
        raise broken(where, "", "a file that is not PNG", "a PNG file", do=do)
    chunks = list(_chunks(data, where))
    header = _header(chunks, where)
    if not max(header.width, header.height) <= max_side:
        got = f"{header.width:,} x {header.height:,} pixels"
        raise broken(where, "", got, f"at most {max_side:,} a side", do="Make it smaller.")
    if header.colour == PALETTE and b"PLTE" not in dict(chunks):
        raise broken(where, "", "no palette", "one, as the pixels are indices")
    pixels = b"".join(body for name, body in chunks if name == b"IDAT")
    _check_pixels(pixels, header, where)
    return header


def _chunks(data: bytes, where: object) -> Iterator[tuple[bytes, bytes]]:
    """Yield (name, contents) of every chunk; the last one is IEND and ends the file."""
    at, name = len(SIGNATURE), b""
    while name != b"IEND":
        length = int.from_bytes(data[at : at + 4], "big")
        if length + CHUNK_NBYTES > len(data) - at:
            left = f"{len(data) - at:,} bytes"
            raise broken(where, "", left, f"a chunk of {length + CHUNK_NBYTES:,}", at=at)
        named, end = at + 4, at + 8 + length
        name = data[named : named + 4]
        if zlib.crc32(data[named:end]) != int.from_bytes(data[end : end + 4], "big"):
            raise broken(where, f"chunk {name!r}", "a wrong check sum", "the right one", at=at)
        yield name, data[named + 4 : end]
        at = end + 4
    if at != len(data):
        raise broken(where, "", f"{len(data) - at:,} bytes", "the end of the file", at=at)


def _header(chunks: list[tuple[bytes, bytes]], where: object) -> PngHeader:
    """Read the first chunk."""
    name, body = chunks[0]
    if name != b"IHDR" or len(body) != HEADER_NBYTES:
        raise broken(where, "first chunk", f"{name!r} of {len(body)} bytes", "b'IHDR' of 13")
    width, height = int.from_bytes(body[:4], "big"), int.from_bytes(body[4:8], "big")
    bits, colour, compression, filters, interlace = body[8:]
    channels, depths = COLOURS.get(colour, (0, ()))
    if not (width and height) or bits not in depths or compression or filters:
        raise broken(where, "header", body.hex(), "sizes and a colour type of the standard")
    if interlace:
        do = "Save it without interlacing."
        raise broken(where, "header", "an interlaced picture", "one that is not", do=do)
    return PngHeader(width, height, colour, channels, bits)


def _check_pixels(packed: bytes, header: PngHeader, where: object) -> None:
    """Unpack the pixels, no further than they may go, and look at each row's filter."""
    expected = header.height * header.row_nbytes
    unpack = zlib.decompressobj()
    try:
        pixels = unpack.decompress(packed, expected + 1)
    except zlib.error as error:
        raise broken(where, "pixels", f"'{error}'", "data that zlib can unpack") from error
    if len(pixels) != expected or not unpack.eof:
        got = f"{len(pixels):,} bytes" if len(pixels) <= expected else "more"
        raise broken(where, "pixels", got, f"{expected:,} bytes and their end")
    if max(pixels[:: header.row_nbytes]) > MAX_FILTER:
        raise broken(where, "pixels", "a row with an unknown filter", "filters 0 to 4")
