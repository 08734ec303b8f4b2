"""Matrices in tiles: order and texels; web/tests/tiles.test.js runs the same cases."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from webgemma.tiles import Tiles, chunk_nbytes, regions, texture_nbytes, to_tiles

CASES = json.loads((Path(__file__).parents[1] / "cases" / "tiles.json").read_text("utf-8"))


@pytest.mark.parametrize("case", CASES["regions"])
def test_regions(case):
    assert [list(r) for r in regions(case["first"], case["count"])] == case["regions"]


@pytest.mark.parametrize("case", CASES["textures"])
def test_texture_nbytes(case):
    assert texture_nbytes(case["nbytes"]) == case["texture_nbytes"]


@pytest.mark.parametrize("case", CASES["chunks"])
def test_chunk_nbytes(case):
    tiles = None if case["tiles"] is None else Tiles(**case["tiles"])
    assert chunk_nbytes(tiles) == case["nbytes"]


@pytest.mark.parametrize("case", CASES["tiles"])
def test_to_tiles(case):
    tiles = Tiles(**case["tiles"])
    count = case["rows"] * tiles.row_units * tiles.unit_nbytes
    data = ((np.arange(count) * 37 + 11) % 251).astype(np.uint8)
    ordered = to_tiles(data, tiles)
    assert hashlib.sha256(ordered.tobytes()).hexdigest() == case["sha256"]
    rows = data.reshape(-1, tiles.row_units, tiles.unit_nbytes)  # and by the formula of the shaders
    units = ordered.reshape(-1, tiles.unit_nbytes)
    for row, i in ((0, 0), (case["rows"] - 1, tiles.row_units - 1), (37, 1)):
        at = (row // tiles.rows * tiles.row_units + i) * tiles.rows + row % tiles.rows
        np.testing.assert_array_equal(units[at], rows[row, i])
