"""Pieces, slices and shards: every row once, in order, within the limits."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from io import BytesIO

import numpy as np
import pytest

from webgemma.storage.layout import plan_matrix, plan_records
from webgemma.storage.registry import STORAGE_TYPES
from webgemma.storage.shard_files import write_shards
from webgemma.storage.shards import Entry, Part, lay_out


@pytest.mark.parametrize("storage", STORAGE_TYPES)
@pytest.mark.parametrize("rows", [1, 64, 999, 5000])
def test_every_row_once(storage, rows):
    matrix = plan_matrix("m", STORAGE_TYPES[storage], (rows, 512), piece_nbytes=400_000)
    covered: dict[str, list[tuple[int, int]]] = {}
    next_row = 0
    for part, records in plan_records(matrix, shard_nbytes=200_000):
        assert part.row_start == next_row
        next_row += part.rows
        assert sum(record.nbytes for record in records) <= 200_000
        for record in records:
            assert record.offset % 4 == 0
            spans = covered.setdefault(record.buffer, [])
            spans.append((record.offset, record.offset + record.nbytes))
    assert next_row == rows
    for piece in matrix.pieces:
        spans = sorted(covered[piece.buffer])
        assert spans[-1][1] <= piece.nbytes <= 400_000
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))
        # What the records leave out is alignment only.
        filled = sum(end - start for start, end in spans)
        assert piece.nbytes - filled < 16 * len(piece.plane_offsets)


def test_gemma_embedding_in_pieces():
    matrix = plan_matrix("e", STORAGE_TYPES["q6_k"], (256000, 2048))
    assert len(matrix.pieces) == 5
    assert {piece.rows for piece in matrix.pieces} == {51200}
    assert all(piece.nbytes <= 96 << 20 for piece in matrix.pieces)


def test_shards():
    files: dict[str, bytes] = {}

    @contextmanager
    def open_file(name):
        buffer = BytesIO()
        yield buffer
        files[name] = buffer.getvalue()

    rng = np.random.default_rng(0)
    sent = {
        f"r{i}": rng.integers(0, 256, (1, n), np.uint8) for i, n in enumerate([60, 40, 30, 99, 250])
    }

    def part(name, data):
        def fill(records):
            records[0][:] = data[0]

        return Part([Entry(name, data.shape, "uint8", data.nbytes)], fill)

    plan, shards = lay_out((part(name, data) for name, data in sent.items()), 100)
    assert not files, "nothing is written while it is planned"
    write_shards(shards, open_file)
    contents = plan.contents(479)
    assert [shard["nbytes"] for shard in contents["records"]] == [100, 30, 99, 250]
    assert contents["metadata"] == {"ParamSize": 5, "ParamBytes": 479.0, "BitsPerParam": 8.0}
    for shard in contents["records"]:
        for record in shard["records"]:
            start = record["byteOffset"]
            data = files[shard["dataPath"]][start : start + record["nbytes"]]
            assert data == sent[record["name"]].tobytes()


@pytest.mark.parametrize("storage", ["iq1_m", "iq2_xxs", "iq3_s"])
def test_shared_planes_lie_once_in_every_piece(storage):
    """Written with the piece's first slice, and found behind the rows of that very piece."""
    kind = STORAGE_TYPES[storage]
    matrix = plan_matrix("m", kind, (1000, 512), piece_nbytes=100_000)
    assert len(matrix.pieces) > 1
    row_planes = [plane for plane in matrix.planes if plane.content is None]
    rng = np.random.default_rng(0)
    rows = [rng.integers(0, 256, (1000, plane.row_nbytes), np.uint8) for plane in row_planes]
    buffers = {piece.buffer: np.zeros(piece.nbytes, np.uint8) for piece in matrix.pieces}
    slices, total = 0, 0
    for part, records in plan_records(matrix, shard_nbytes=30_000):
        slices += 1
        sources = iter(rows)
        for record in records:
            if record.content is None:
                data = next(sources)[part.row_start : part.row_start + part.rows].tobytes()
            else:
                data = record.content
            assert record.nbytes == len(data)
            assert record.nbytes == np.prod(record.shape) * {"uint32": 4, "float16": 2}.get(
                record.dtype, 1
            )
            end = record.offset + record.nbytes
            assert not buffers[record.buffer][record.offset : end].any(), "written twice"
            buffers[record.buffer][record.offset : end] = np.frombuffer(data, np.uint8)
            total += record.nbytes
    assert slices > len(matrix.pieces)
    assert total == matrix.nbytes
    for piece in matrix.pieces:
        part = slice(piece.row_start, piece.row_start + piece.rows)
        expected = [plane[part].tobytes() for plane in rows] + [matrix.planes[-1].content]
        for offset, data in zip(piece.plane_offsets, expected, strict=True):
            assert buffers[piece.buffer][offset : offset + len(data)].tobytes() == data
