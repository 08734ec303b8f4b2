"""Streams a checkpoint's tensors into shards, a few megabytes at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from webgemma.architectures.weights import FLOATS, MatrixSource, Rows, VectorSource
from webgemma.errors import FormatError
from webgemma.storage.floats import floats_to_f32
from webgemma.storage.layout import SHARD_NBYTES, Record, Slice, plan_records
from webgemma.storage.quantize import quantize
from webgemma.storage.registry import storage_for
from webgemma.storage.shard_files import Open, write_shards
from webgemma.storage.shards import Entry, Part, ShardPlan, lay_out
from webgemma.storage.types import DTYPE_NBYTES, Planes, as_bytes

CHUNK_NBYTES = 256 << 10
"""Source bytes encoded at a time. With smaller ones threads pass Python's lock on too often; what
is made of larger ones is new memory each time, with a page fault for every 4 kB."""
READ_NBYTES = 4 * CHUNK_NBYTES  # read at a time: opening a file costs as much as encoding 16 kB
FLOAT_DTYPES = dict(zip(FLOATS, ("float32", "float16", "bfloat16"), strict=True))

VECTOR_DTYPE = "float32"

Advance = Callable[[int], None]
"""Told how many source bytes were packed."""


def pack(
    sources: Sequence[MatrixSource | VectorSource],
    open_file: Open,
    advance: Advance,
    *,
    shard_nbytes: int = SHARD_NBYTES,
) -> ShardPlan:
    """Write every source's records into shards.

    Args:
        sources: In the order in which they stand in the shards.
        open_file: Opens a shard.
        advance: Called from several threads.
        shard_nbytes: The most that a shard holds, unless a single slice takes more.

    Returns:
        The table of contents.
    """
    plan, shards = lay_out(_parts(sources, shard_nbytes, advance), shard_nbytes)
    write_shards(shards, open_file)
    return plan


def plan_shards(sources: Sequence[MatrixSource | VectorSource]) -> list[int]:
    """Bytes of every shard that `pack` would write; reads nothing of the source."""
    _, shards = lay_out(_parts(sources, SHARD_NBYTES, lambda nbytes: None), SHARD_NBYTES)
    return [shard.nbytes for shard in shards]


def _parts(
    sources: Sequence[MatrixSource | VectorSource], shard_nbytes: int, advance: Advance
) -> Iterator[Part]:
    """The records of every source, those together that stand in one shard."""
    for source in sources:
        if isinstance(source, VectorSource):
            yield _vector_part(source, advance)
        else:
            yield from _matrix_parts(source, shard_nbytes, advance)


def _vector_part(source: VectorSource, advance: Advance) -> Part:
    """A vector as float32 [length]."""
    nbytes = DTYPE_NBYTES[VECTOR_DTYPE] * source.length

    def fill(records: Sequence[NDArray[np.uint8]]) -> None:
        records[0][:] = as_bytes(read_vector(source).reshape(1, -1))[0]
        advance(source.tensor.nbytes)

    return Part([Entry(source.name, (source.length,), VECTOR_DTYPE, nbytes)], fill)


def read_vector(source: VectorSource) -> NDArray[np.float32]:
    """The values float32 [length] of a vector.

    Raises:
        FormatError: a value is not finite.
    """
    values: NDArray[np.float32] = to_floats(source.tensor.type, source.tensor.read_rows(0, 1))[0]
    values += np.float32(source.add)
    if not np.isfinite(values).all():
        msg = f"{source.tensor.where}: got values that are not finite, expected numbers."
        raise FormatError(msg)
    return values


def _matrix_parts(source: MatrixSource, shard_nbytes: int, advance: Advance) -> Iterator[Part]:
    """A matrix slice by slice, all planes of a slice; the shared ones, which need no rows, last."""
    for part, records in plan_records(source.matrix, shard_nbytes):
        entries = [Entry(each.name, each.shape, each.dtype, each.nbytes) for each in records]
        yield Part(entries, partial(_fill_slice, source, part, records, advance))


def _fill_slice(
    source: MatrixSource,
    part: Slice,
    records: Sequence[Record],
    advance: Advance,
    contents: Sequence[NDArray[np.uint8]],
) -> None:
    """Write the planes of a slice, each into its [nbytes]."""
    planes = []
    for record, content in zip(records, contents, strict=True):
        if record.content is None:
            planes.append(content.reshape(part.rows, -1))
        else:
            content[:] = np.frombuffer(record.content, np.uint8)
    encode_into(planes, source, part.row_start, advance)


def encode_rows(source: MatrixSource, start: int, stop: int, advance: Advance) -> Planes:
    """The planes uint8 [stop - start, row_nbytes] of rows of the stacked matrix.

    Shared planes, which need no rows of the source, are left out.
    """
    matrix = source.matrix
    planes = tuple(
        np.empty((stop - start, plane.row_nbytes), np.uint8)
        for plane in matrix.planes
        if plane.content is None
    )
    encode_into(planes, source, start, advance)
    return planes


def encode_into(
    planes: Sequence[NDArray[np.uint8]], source: MatrixSource, start: int, advance: Advance
) -> None:
    """Write the stacked matrix's rows from `start` on into planes uint8 [rows, row_nbytes]."""
    stop = start + len(planes[0])
    at = 0  # the first row of the part, in the stacked matrix
    for rows in source.parts:
        first = max(start - at, 0)
        last = min(stop - at, rows.stop - rows.start)
        if first < last:
            own = Rows(rows.tensor, rows.start + first, rows.start + last)
            _encode_part(source, own, [plane[at + first - start :] for plane in planes], advance)
        at += rows.stop - rows.start


def _encode_part(
    source: MatrixSource, rows: Rows, planes: Sequence[NDArray[np.uint8]], advance: Advance
) -> None:
    """Write rows of a tensor to the first rows of `planes`, a chunk at a time."""
    tensor, storage, in_features = rows.tensor, source.matrix.storage, source.matrix.in_features
    kept = storage_for(tensor.where, tensor.type)
    done = 0
    for raw in _read_chunks(rows):
        encoded = kept.encode(raw, in_features)
        if kept != storage:
            floats = kept.decode(encoded, in_features)
            where = f"{tensor.where}, rows from {rows.start + done}"
            encoded = quantize(storage.name, floats, where)
        for plane, part in zip(planes, encoded, strict=True):
            plane[done : done + len(raw)] = part
        done += len(raw)
        advance(raw.nbytes)


def _read_chunks(rows: Rows) -> Iterator[NDArray[np.uint8]]:
    """Read rows of a tensor [n, row_nbytes], so many at a time as are encoded at once."""
    tensor = rows.tensor
    row_nbytes = tensor.nbytes // tensor.shape[0]
    step = max(1, CHUNK_NBYTES // row_nbytes)
    for start in range(rows.start, rows.stop, step * (READ_NBYTES // CHUNK_NBYTES)):
        stop = min(start + step * (READ_NBYTES // CHUNK_NBYTES), rows.stop)
        raw = tensor.read_rows(start, stop)
        yield from (raw[first : first + step] for first in range(0, stop - start, step))


def to_floats(source_type: str, raw: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Rows [n, row_nbytes] of a float type -> float32 [n, columns]."""
    return floats_to_f32(raw, FLOAT_DTYPES[source_type])
