"""Where the bytes of a matrix lie: pieces for the GPU, slices for the shards.

A *piece* is what the GPU binds: a range of rows whose planes lie one after another in one buffer,
at most 96 MiB (the default binding limit is 128 MiB). A *slice* is a range of rows of one piece
that fits a shard file: the unit of download and hashing, recorded as `name#i`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webgemma.storage.types import Plane, Planes, StorageType
from webgemma.tiles import TILE_ROWS, Tiles

PIECE_NBYTES = 96 << 20
SHARD_NBYTES = 16 << 20
PLANE_ALIGNMENT = 16  # kernels read planes as vec4<u32>
ROW_ALIGNMENT = 64  # rows of a piece or slice, so that every plane of it starts on a word


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows row_start..row_start + rows - 1 of a matrix, as they lie in one shard."""

    row_start: int
    rows: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of a matrix in one GPU buffer; plane_offsets are bytes from its start."""

    buffer: str
    row_start: int
    rows: int
    plane_offsets: tuple[int, ...]
    nbytes: int


@dataclass(frozen=True, slots=True)
class Matrix:
    """A stored matrix [rows, in_features] and its pieces."""

    name: str
    storage: StorageType
    rows: int
    in_features: int
    pieces: tuple[Piece, ...]

    @property
    def planes(self) -> tuple[Plane, ...]:
        """The planes every row is split into."""
        return self.storage.planes(self.in_features)

    @property
    def in_tiles(self) -> bool:
        """Whether a variant may put its planes into tiles.

        Its rows make whole tiles, and a row of the first plane, which has the weights, whole units.
        """
        return self.rows % TILE_ROWS == 0 and self.planes[0].tiles() is not None

    @property
    def row_nbytes(self) -> int:
        """Bytes of one row, all planes together."""
        return sum(plane.row_nbytes for plane in self.planes)

    @property
    def nbytes(self) -> int:
        """Bytes of all rows and of every piece's shared planes, without the alignment."""
        shared_nbytes = sum(plane.shared_nbytes for plane in self.planes)
        return self.rows * self.row_nbytes + len(self.pieces) * shared_nbytes


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the tensor cache: a plane of a slice, and where it goes on the GPU.

    `content` is that of a shared plane; other records are filled from the source.
    """

    name: str
    shape: tuple[int, int]
    dtype: str
    nbytes: int
    buffer: str
    offset: int
    content: bytes | None = None
    tiles: Tiles | None = None
    """How a variant that wants tiles gets them; None if it lies as it is everywhere."""


def plan_matrix(
    name: str,
    storage: StorageType,
    shape: tuple[int, int],
    *,
    piece_nbytes: int = PIECE_NBYTES,
) -> Matrix:
    """Cut a matrix [rows, in_features] into equal pieces of `piece_nbytes` or less."""
    rows, in_features = shape
    planes = storage.planes(in_features)
    count = -(-rows // most_rows(planes, piece_nbytes))
    per_piece = -(-rows // count)
    per_piece = -(-per_piece // ROW_ALIGNMENT) * ROW_ALIGNMENT
    pieces = tuple(
        _place(f"{name}@{i}", start, min(per_piece, rows - start), planes)
        for i, start in enumerate(range(0, rows, per_piece))
    )
    return Matrix(name, storage, rows, in_features, pieces)


def most_rows(planes: tuple[Plane, ...], nbytes: int) -> int:
    """How many rows fit into `nbytes` beside the shared planes: ROW_ALIGNMENT at least."""
    row_nbytes = sum(plane.row_nbytes for plane in planes)
    left = nbytes - sum(plane.shared_nbytes for plane in planes)
    return max(left // row_nbytes // ROW_ALIGNMENT * ROW_ALIGNMENT, ROW_ALIGNMENT)


def _place(buffer: str, row_start: int, rows: int, planes: tuple[Plane, ...]) -> Piece:
    """Lay the planes of `rows` rows one after another, each aligned."""
    offsets = []
    end = 0
    for plane in planes:
        offsets.append(end)
        nbytes = rows * plane.row_nbytes + plane.shared_nbytes
        end += -(-nbytes // PLANE_ALIGNMENT) * PLANE_ALIGNMENT
    return Piece(buffer, row_start, rows, tuple(offsets), end)


def plan_slices(matrix: Matrix, shard_nbytes: int = SHARD_NBYTES) -> Iterator[Slice]:
    """Cut every piece into ranges of rows whose planes together fit a shard."""
    most = most_rows(matrix.planes, shard_nbytes)
    for piece in matrix.pieces:
        end = piece.row_start + piece.rows
        for start in range(piece.row_start, end, most):
            yield Slice(start, min(most, end - start))


def place_planes(matrix: Matrix, piece: Piece, planes: Planes) -> NDArray[np.uint8]:
    """The bytes of a whole piece, uint8 [piece.nbytes].

    Args:
        matrix: Whose piece it is.
        piece: Of all the rows of `planes`.
        planes: uint8 [rows, row_nbytes] each; those that all rows share come from the type.
    """
    content = np.zeros(piece.nbytes, np.uint8)
    shared = [np.frombuffer(p.content, np.uint8) for p in matrix.planes if p.content is not None]
    for offset, plane in zip(piece.plane_offsets, (*planes, *shared), strict=True):
        content[offset : offset + plane.nbytes] = plane.reshape(-1)
    return content


def plan_records(
    matrix: Matrix, shard_nbytes: int = SHARD_NBYTES
) -> Iterator[tuple[Slice, tuple[Record, ...]]]:
    """The records of every slice, one per plane, in the order they are written.

    A piece's shared planes are records of its first slice, after those of the rows.
    """
    slices = list(plan_slices(matrix, shard_nbytes))
    for i, part in enumerate(slices):
        suffix = f"#{i}" if len(slices) > 1 else ""
        piece = next(p for p in reversed(matrix.pieces) if p.row_start <= part.row_start)
        yield part, tuple(_records_of_slice(matrix, piece, part, suffix))


def _records_of_slice(matrix: Matrix, piece: Piece, part: Slice, suffix: str) -> Iterator[Record]:
    """The records of a slice of a piece, a plane each."""
    skipped = part.row_start - piece.row_start  # rows of the piece before this slice
    for plane, offset in zip(matrix.planes, piece.plane_offsets, strict=True):
        if plane.content is not None and skipped:
            continue
        rows = part.rows if plane.content is None else 1
        yield Record(
            name=f"{matrix.name}.{plane.name}{suffix}",
            shape=(rows, plane.columns),
            dtype=plane.dtype,
            nbytes=rows * plane.row_nbytes + plane.shared_nbytes,
            buffer=piece.buffer,
            offset=offset + skipped * plane.row_nbytes,
            content=plane.content,
            tiles=plane.tiles() if matrix.in_tiles else None,
        )
