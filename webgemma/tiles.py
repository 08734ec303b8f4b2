"""The order of a matrix's planes for software adapters, and where they lie in a texture.

In *tiles* of some rows a plane holds unit 0 of all rows, then unit 1 of all, and so on: what SIMD
lanes read together lies together. Where each lane has rows of its own, a tile has TILE_ROWS rows,
and a unit is what a kernel reads of a row at once, a word or a quad of four. Where all lanes share
a row, a tile has the rows of an invocation, and a unit is what the lanes read of one: memory is
read in one stream. The words lie in a texture of rgba32uint, whose texel is a quad.
shaders/matrix.wgsl.jinja, storage/common.wgsl.jinja and storage/eights.wgsl.jinja read this;
web/runtime/tiles.js is the twin, and both pass tests/cases/tiles.json.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

TILE_ROWS = 64
TEXEL_NBYTES = 16
CHUNK_NBYTES = 256 << 10
TEXELS_PER_ROW = 4096
"""Of a texture; with 8192 rows, every device's limit, it holds 512 MiB."""


class Tiles(NamedTuple):
    """How a plane goes into tiles."""

    unit_nbytes: int
    """A multiple of 4."""
    row_units: int
    """Units of a row of the matrix."""
    rows: int = TILE_ROWS
    """Rows of a tile; TILE_ROWS is a multiple."""


class Region(NamedTuple):
    """A rectangle of a texture, in texels, that consecutive texels fill."""

    x: int
    y: int
    width: int
    height: int


def to_tiles(data: NDArray[np.uint8], tiles: Tiles) -> NDArray[np.uint8]:
    """Put whole tiles of a plane in order.

    Args:
        data: uint8 [rows * row_units * unit_nbytes], rows a multiple of those of a tile.
        tiles: The plane's units.

    Returns:
        As many bytes: [rows / tiles.rows, row_units, tiles.rows, unit_nbytes].
    """
    units = data.reshape(-1, tiles.rows, tiles.row_units, tiles.unit_nbytes)
    dtype = np.dtype(f"V{tiles.unit_nbytes}")
    return np.ascontiguousarray(units.view(dtype)[..., 0].swapaxes(1, 2)).view(np.uint8).reshape(-1)


def chunk_nbytes(tiles: Tiles | None) -> int:
    """How much is put in order and written at a time: whole tiles, and not much of them."""
    tile_nbytes = 1 if tiles is None else tiles.rows * tiles.row_units * tiles.unit_nbytes
    return max(1, CHUNK_NBYTES // tile_nbytes) * tile_nbytes


def texture_rows(nbytes: int) -> int:
    """Rows of the texture that holds so many bytes."""
    return -(-nbytes // (TEXEL_NBYTES * TEXELS_PER_ROW))


def texture_nbytes(nbytes: int) -> int:
    """Bytes of the texture that holds so many: whole rows."""
    return texture_rows(nbytes) * TEXELS_PER_ROW * TEXEL_NBYTES


def regions(first: int, count: int) -> Iterator[Region]:
    """The rectangles, three at most, that texels first..first + count - 1 fill, in their order."""
    y, x = divmod(first, TEXELS_PER_ROW)
    if x and count:
        width = min(count, TEXELS_PER_ROW - x)
        yield Region(x, y, width, 1)
        count, y = count - width, y + 1
    height, rest = divmod(count, TEXELS_PER_ROW)
    if height:
        yield Region(0, y, TEXELS_PER_ROW, height)
    if rest:
        yield Region(0, y + height, rest, 1)
