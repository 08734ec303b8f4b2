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
from webgemma.storage.shards import ShardWriter
from webgemma.storage.types import DTYPE_NBYTES, Planes, as_bytes

CHUNK_NBYTES = 96 << 10  # of source bytes encoded at a time: what is made of them stays in a cache
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
    writer = ShardWriter(None)
    for source in sources:
        for sizes in _sizes_together(source, writer.shard_nbytes):
            writer.reserve(sum(sizes))
            for nbytes in sizes:
                writer.add("", (nbytes,), "uint8", np.broadcast_to(np.uint8(0), (nbytes,)))
    writer.flush()
    return [shard["nbytes"] for shard in writer.shards]


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
    writer.add(source.name, (source.length,), VECTOR_DTYPE, data)


def pack_matrix(source: MatrixSource, writer: ShardWriter, advance: Advance) -> None:
    """Write a matrix slice by slice; all planes of a slice stand in one shard.

    The shared planes, which need no rows of the source, come last.
    """
    for part, records in plan_records(source.matrix, writer.shard_nbytes):
        planes = encode_rows(source, part.row_start, part.row_start + part.rows, advance)
        writer.reserve(sum(record.nbytes for record in records))
        shared = (np.frombuffer(r.content, np.uint8) for r in records if r.content is not None)
        for record, data in zip(records, [*planes, *shared], strict=True):
            assert data.nbytes == record.nbytes, (record, data.shape)
            writer.add(record.name, record.shape, record.dtype, data)


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
    at = 0  # the first row of the part, in the stacked matrix
    for rows in source.parts:
        first = max(start - at, 0)
        last = min(stop - at, rows.stop - rows.start)
        if first < last:
            own = Rows(rows.tensor, rows.start + first, rows.start + last)
            _encode_part(source, own, [plane[at + first - start :] for plane in planes], advance)
        at += rows.stop - rows.start
    return planes


def _encode_part(
    source: MatrixSource, rows: Rows, planes: Sequence[NDArray[np.uint8]], advance: Advance
) -> None:
    """Write rows of a tensor to the first rows of `planes`, a chunk at a time."""
    tensor = rows.tensor
    row_nbytes = tensor.nbytes // tensor.shape[0]
    step = max(1, CHUNK_NBYTES // row_nbytes)
    storage, in_features = source.matrix.storage, source.matrix.in_features
    kept = storage_for(tensor.where, tensor.type)
    for start in range(rows.start, rows.stop, step):
        raw = tensor.read_rows(start, min(start + step, rows.stop))
        encoded = kept.encode(raw, in_features)
        if kept != storage:
            floats = kept.decode(encoded, in_features)
            encoded = quantize(storage.name, floats, f"{tensor.where}, rows from {start}")
        first = start - rows.start
        for plane, part in zip(planes, encoded, strict=True):
            plane[first : first + len(raw)] = part
        advance(raw.nbytes)


def to_floats(source_type: str, raw: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Rows [n, row_nbytes] of a float type -> float32 [n, columns]."""
    return floats_to_f32(raw, FLOAT_DTYPES[source_type])
