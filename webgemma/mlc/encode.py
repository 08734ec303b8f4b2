"""Turns a parameter into the tensors of the cache, a few million weights at a time.

Matrices are cast to the model's dtype first and quantized by MLC's formula (storage/mlc.py). A
quantized matrix becomes q_weight and then q_scale: the codes are streamed and the scales, a ninth
of the bytes, kept meanwhile. In the transposed layout the codes of one matrix are held whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from webgemma.checkpoint import Tensor
from webgemma.errors import ConfigError
from webgemma.mlc.cache import CacheWriter, RecordPlan
from webgemma.mlc.parameters import Parameter
from webgemma.mlc.schemes import Scheme
from webgemma.storage.mlc import WORDS_PER_GROUP, MlcGroup
from webgemma.storage.registry import storage_for
from webgemma.storage.types import Planes, f32_to_bf16

CHUNK_WEIGHTS = 1 << 21
Advance = Callable[[int], None]
"""Told how many bytes of the source were encoded."""


def storage_of(parameter: Parameter, scheme: Scheme) -> MlcGroup | None:
    """How a parameter is quantized; None if it stays floats."""
    if parameter.is_vector or (parameter.is_end and not scheme.quantizes_ends):
        return None
    return scheme.storage


def plan(parameter: Parameter, scheme: Scheme) -> tuple[RecordPlan, ...]:
    """The tensors of the cache that a parameter becomes."""
    storage = storage_of(parameter, scheme)
    if storage is None:
        name = f"{parameter.name}.weight"
        return (RecordPlan(name, parameter.shape, scheme.model_dtype),)
    rows, columns = parameter.shape
    groups = storage.num_groups(columns)
    shapes = [(rows, WORDS_PER_GROUP * groups), (rows, groups)]
    if is_transposed(parameter, scheme):
        shapes = [(second, first) for first, second in shapes]
    return (
        RecordPlan(f"{parameter.name}.q_weight", shapes[0], "uint32"),
        RecordPlan(f"{parameter.name}.q_scale", shapes[1], scheme.model_dtype),
    )


def is_transposed(parameter: Parameter, scheme: Scheme) -> bool:
    """Whether codes and scales lie [groups, rows]."""
    return scheme.is_transposed and not parameter.is_embedding


def encode(parameter: Parameter, scheme: Scheme, writer: CacheWriter, advance: Advance) -> None:
    """Write a parameter.

    Raises:
        ConfigError: a weight is not finite as the quantization's type of float.
    """
    plans = plan(parameter, scheme)
    storage = storage_of(parameter, scheme)
    if storage is None:
        chunks = (_stored(rows) for rows in float_rows(parameter, scheme, advance))
        writer.add(plans[0], chunks)
        return
    quantized = (
        storage.quantize(rows.astype(np.float32)) for rows in float_rows(parameter, scheme, advance)
    )
    if is_transposed(parameter, scheme):
        codes, turned_scales = _transposed(plans, quantized)
        writer.add(plans[0], [codes])
        writer.add(plans[1], [turned_scales])
        return
    scales: list[NDArray[np.uint8]] = []
    writer.add(plans[0], _codes(quantized, scales))
    writer.add(plans[1], scales)


def _codes(
    quantized: Iterator[Planes], scales: list[NDArray[np.uint8]]
) -> Iterator[NDArray[np.uint8]]:
    """The codes of each chunk; its scales are kept in `scales`."""
    for codes, scale in quantized:
        scales.append(scale)
        yield codes


def _transposed(
    plans: tuple[RecordPlan, ...], quantized: Iterator[Planes]
) -> tuple[NDArray[np.uint32], NDArray[np.uint16]]:
    """Codes uint32 [words, rows] and scales, 16 bits each, [groups, rows]."""
    codes = np.empty(plans[0].shape, np.uint32)
    scales = np.empty(plans[1].shape, np.uint16)
    start = 0
    for code_rows, scale_rows in quantized:
        stop = start + len(code_rows)
        codes[:, start:stop] = code_rows.view(np.uint32).T
        scales[:, start:stop] = scale_rows.view(np.uint16).T
        start = stop
    return codes, scales


def float_rows(
    parameter: Parameter, scheme: Scheme, advance: Advance
) -> Iterator[NDArray[np.floating]]:
    """All rows of a parameter, cast to the model's dtype: [n, columns] at a time.

    Raises:
        ConfigError: a weight is not finite as that dtype.
    """
    for tensor in parameter.parts:
        columns = tensor.shape[-1]
        rows = tensor.shape[0] if len(tensor.shape) > 1 else 1
        step = max(1, CHUNK_WEIGHTS // columns)
        for start in range(0, rows, step):
            raw = tensor.read_rows(start, min(start + step, rows))
            values = decode(tensor, raw) + np.float32(parameter.add)
            with np.errstate(over="ignore"):
                cast = values.astype(scheme.model_dtype)
            if not np.isfinite(cast).all():
                raise _not_finite(tensor, scheme)
            yield cast
            advance(raw.nbytes)


def decode(tensor: Tensor, raw: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Raw rows of a tensor -> float32 [n, columns], as its storage type means them."""
    storage = storage_for(tensor.where, tensor.type)
    columns = tensor.shape[-1]
    return storage.decode(storage.encode(raw, columns), columns)


def _stored(rows: NDArray[np.floating]) -> NDArray[np.generic]:
    """Floats as a shard holds them: float16 as it is, float32 as bfloat16."""
    return f32_to_bf16(rows) if rows.dtype == np.float32 else rows


def _not_finite(tensor: Tensor, scheme: Scheme) -> ConfigError:
    return ConfigError(
        f"{tensor.where}: got weights that are not finite as {scheme.model_dtype}, expected finite "
        f"ones for {scheme.name}. Choose q4f32_1 or q0f32, or fetch the model again."
    )
