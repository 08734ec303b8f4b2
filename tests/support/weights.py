"""Matrices of every storage type, seeded, with the planes a kernel binds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import wgpu
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import quantize
from numpy.typing import NDArray

from tests.support.blocks import halves_of, random_blocks
from webgemma.architectures.decoder.kernels import storage_params
from webgemma.program.spec import Variant
from webgemma.runtime.matrices import create_matrix, write_matrix
from webgemma.storage.layout import Matrix, Piece, place_planes, plan_matrix, plan_records
from webgemma.storage.mlc import MlcGroup
from webgemma.storage.registry import KEPT, STORAGE_TYPES
from webgemma.storage.types import Planes
from webgemma.tiles import to_tiles

SOURCE_TYPES = {storage.name: name for name, storage in KEPT.items()}

QUANTIZABLE = {"BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "TQ1_0", "TQ2_0", "MXFP4"}
"""What gguf-py quantizes to; matrices of other types are random bytes with sane scales."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A stored matrix: its first piece's bytes as words, and what they decode to."""

    matrix: Matrix
    words: NDArray[np.uint32]
    values: NDArray[np.float32]

    @property
    def piece(self) -> Piece:
        """The only piece."""
        return self.matrix.pieces[0]

    @property
    def params(self) -> dict[str, Any]:
        """The parameters of a kernel that reads it."""
        return storage_params(self.matrix, self.piece)

    def as_kept(self, variant: Variant) -> NDArray[np.uint8]:
        """Its bytes in the order in which a variant keeps them."""
        data = self.words.view(np.uint8).copy()
        if variant.matrices != "rows":
            for _, records in plan_records(self.matrix):
                for record in records:
                    if record.tiles is not None:
                        plane = data[record.offset : record.offset + record.nbytes]
                        plane[:] = to_tiles(plane, record.tiles)
        return data

    def write(self, gpu: Any, variant: Variant) -> Any:
        """The resource that a kernel of this variant binds, filled."""
        data = self.words.view(np.uint8)
        if variant.matrices == "rows":
            usage = wgpu.BufferUsage.STORAGE | wgpu.BufferUsage.COPY_SRC
            return {"buffer": gpu.create_buffer_with_data(data=data, usage=usage)}
        texture = create_matrix(gpu, data.size)
        for _, records in plan_records(self.matrix):
            for record in records:
                plane = data[record.offset : record.offset + record.nbytes]
                write_matrix(gpu, texture, record.offset, plane, record.tiles)
        return texture.create_view()


def make_weights(storage: str, rows: int, columns: int, seed: int = 0) -> Weights:
    """A seeded matrix [rows, columns]; one row is zero, one large, one spiky."""
    rng = np.random.default_rng(seed)
    values = (rng.standard_normal((rows, columns)) / columns**0.5).astype(np.float32)
    values[rows // 2] = 0
    values[-1] *= 50
    values[0, 1] = 3.0
    return weights_of(storage, encode(storage, values, rng), columns)


def weights_of(storage: str, planes: Planes, columns: int) -> Weights:
    """The matrix whose planes [rows, row_nbytes] these are."""
    matrix = plan_matrix("w", STORAGE_TYPES[storage], (len(planes[0]), columns))
    words = place_planes(matrix, matrix.pieces[0], planes).view(np.uint32)
    return Weights(matrix, words, matrix.storage.decode(planes, columns))


def encode(storage: str, values: NDArray[np.float32], rng: np.random.Generator) -> Planes:
    """Planes of a matrix: quantized where the tools can, else random blocks with sane scales."""
    kind = STORAGE_TYPES[storage]
    if isinstance(kind, MlcGroup):
        return kind.quantize(values)
    if storage == "f32":
        raw = values.view(np.uint8)
    elif storage == "f16":
        raw = values.astype(np.float16).view(np.uint8)
    elif SOURCE_TYPES[storage] in QUANTIZABLE:
        raw = quantize(values, GGMLQuantizationType[SOURCE_TYPES[storage]])
    else:
        raw = blocks_like(SOURCE_TYPES[storage], values, rng)
    return kind.encode(raw.reshape(len(values), -1), values.shape[1])


def blocks_like(
    name: str, values: NDArray[np.float32], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Random blocks with scales that make their weights about as large as `values`."""
    blocks_of_row = values.shape[1] // GGML_QUANT_SIZES[GGMLQuantizationType[name]][0]
    size = np.abs(values).mean(axis=1)[:, None, None]
    spread = rng.uniform(0.5, 1.5, (len(values), blocks_of_row, halves_of(name)))
    return random_blocks(name, values.shape[1], (spread * size / 256).astype(np.float16), rng)
