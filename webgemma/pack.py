"""Streams a checkpoint's tensors into shards, a few megabytes at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from webgemma.architectures.weights import FLOATS, MatrixSource, Rows, VectorSource
from webgemma.errors import FormatError
from webgemma.storage.floats import floats_to_f32
from webgemma.storage.layout import plan_records
from webgemma.storage.quantize import quantize
from webgemma.storage.registry import storage_for
from webgemma.storage.shards import ShardPlan, ShardWriter
from webgemma.storage.types import DTYPE_NBYTES, Planes, as_bytes

CHUNK_NBYTES = 96 << 10  # of source bytes encoded at a time: what is made of them stays in a cache
READ_NBYTES = 8 * CHUNK_NBYTES  # read at a time: opening a file costs as much as encoding 16 kB
FLOAT_DTYPES = dict(zip(FLOATS, ("float32", "float16", "bfloat16"), strict=True))

VECTOR_DTYPE = "float32"

Advance = Callable[[int], None]
"""Told how many source bytes were packed."""


def pack(
    sources: Sequence[MatrixSource | VectorSource], writer: ShardWriter, advance: Advance
) -> None:
    """Write every source's records, in order, and the last shard."""
    for source in sources:
        if isinstance(source, VectorSource):
            pack_vector(source, writer)
            advance(source.tensor.nbytes)
        else:
            pack_matrix(source, writer, advance)
    writer.flush()


def plan_shards(sources: Sequence[MatrixSource | VectorSource]) -> list[int]:
    """Bytes of every shard that `pack` would write; reads nothing of the source."""
    plan = ShardPlan()
    for source in sources:
        for sizes in _sizes_together(source, plan.shard_nbytes):
            if not plan.fits(sum(sizes)):
                plan.close()
            for nbytes in sizes:
                plan.add("", (nbytes,), "uint8", nbytes)
    plan.close()
    return [shard["nbytes"] for shard in plan.shards]


def _sizes_together(source: MatrixSource | VectorSource, shard_nbytes: int) -> Iterator[list[int]]:
    """Bytes of the records of a source, those together that stand in one shard."""
    if isinstance(source, VectorSource):
        yield [DTYPE_NBYTES[VECTOR_DTYPE] * source.length]
        return
    for _, records in plan_records(source.matrix, shard_nbytes):
        yield [record.nbytes for record in records]


def pack_vector(source: VectorSource, writer: ShardWriter) -> None:
    """Write a vector as float32 [length].

    Raises:
        FormatError: a value is not finite.
    """
    values = to_floats(source.tensor.type, source.tensor.read_rows(0, 1))[0] + np.float32(
        source.add
    )
    if not np.isfinite(values).all():
        msg = f"{source.tensor.where}: got values that are not finite, expected numbers."
        raise FormatError(msg)
    data = as_bytes(values.astype(np.float32).reshape(1, -1))
    writer.reserve(data.nbytes)
    writer.add(source.name, (source.length,), VECTOR_DTYPE, data.nbytes)[:] = data[0]


def pack_matrix(source: MatrixSource, writer: ShardWriter, advance: Advance) -> None:
    """Write a matrix slice by slice; all planes of a slice stand in one shard.

    The shared planes, which need no rows of the source, come last.
    """
    for part, records in plan_records(source.matrix, writer.plan.shard_nbytes):
        writer.reserve(sum(record.nbytes for record in records))
        planes = []
        for record in records:
            data = writer.add(record.name, record.shape, record.dtype, record.nbytes)
            if record.content is None:
                planes.append(data.reshape(part.rows, -1))
            else:
                data[:] = np.frombuffer(record.content, np.uint8)
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
