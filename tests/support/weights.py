"""Matrices of every storage type, seeded, with the planes a kernel binds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import quantize
from numpy.typing import NDArray

from webgemma.storage.layout import Matrix, Piece, plan_matrix
from webgemma.storage.mlc import MlcGroup
from webgemma.storage.registry import KEPT, STORAGE_TYPES
from webgemma.storage.types import Planes

SOURCE_TYPES = {storage.name: name for name, storage in KEPT.items()}

HALVES = {"q4_k": (0, 2), "q6_k": (208, 1), "iq1_s": (0, 1), "iq1_m": (48, 1)} | {
    name: (0, 1) for name in ("iq2_xxs", "iq2_xs", "iq2_s", "iq3_xxs", "iq3_s")
}
"""Where the f16 scales of a block of random bytes lie, and how many."""


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
        planes = zip(self.matrix.planes, self.piece.plane_offsets, strict=True)
        return {
            "storage": self.matrix.storage.name,
            "planes": {plane.name: offset // 4 for plane, offset in planes},
            "k": self.matrix.in_features,
        }


def make_weights(storage: str, rows: int, columns: int, seed: int = 0) -> Weights:
    """A seeded matrix [rows, columns]; one row is zero, one large, one spiky."""
    rng = np.random.default_rng(seed)
    values = (rng.standard_normal((rows, columns)) / columns**0.5).astype(np.float32)
    values[rows // 2] = 0
    values[-1] *= 50
    values[0, 1] = 3.0
    matrix = plan_matrix("w", STORAGE_TYPES[storage], (rows, columns))
    planes = encode(storage, values, rng)
    return Weights(matrix, place(matrix, planes), matrix.storage.decode(planes, columns))


def encode(storage: str, values: NDArray[np.float32], rng: np.random.Generator) -> Planes:
    """Planes of a matrix: quantized where the tools can, else random blocks with sane scales."""
    kind = STORAGE_TYPES[storage]
    if isinstance(kind, MlcGroup):
        return kind.quantize(values)
    if storage in HALVES:
        raw = random_blocks(storage, values, rng)
    elif storage == "f32":
        raw = values.view(np.uint8)
    elif storage == "f16":
        raw = values.astype(np.float16).view(np.uint8)
    else:
        raw = quantize(values, GGMLQuantizationType[SOURCE_TYPES[storage]])
    return kind.encode(raw.reshape(len(values), -1), values.shape[1])


def random_blocks(
    storage: str, values: NDArray[np.float32], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Random bytes with finite super-block scales (gguf-py cannot quantize to these types)."""
    weights, nbytes = GGML_QUANT_SIZES[GGMLQuantizationType[SOURCE_TYPES[storage]]]
    at, count = HALVES[storage]
    blocks = rng.integers(0, 256, (len(values), values.shape[1] // weights, nbytes), np.uint8)
    size = np.abs(values).mean(axis=1)[:, None, None]
    scales = (rng.uniform(0.5, 1.5, (*blocks.shape[:2], count)) * size / 256).astype(np.float16)
    if storage == "iq1_m":  # the scale's nibbles, lowest first, are the top nibbles of four u16
        tops = scales.view(np.uint16) >> np.arange(0, 16, 4, np.uint16) << np.uint16(12)
        low = blocks[..., 48:].view(np.uint16) & np.uint16(0xFFF)
        blocks[..., 48:] = (low | tops).view(np.uint8)
    else:
        blocks[..., at : at + 2 * count] = scales.view(np.uint8)
    return blocks.reshape(len(values), -1)


def place(matrix: Matrix, planes: Planes) -> NDArray[np.uint32]:
    """The bytes of the only piece, planes at their offsets, as words."""
    piece = matrix.pieces[0]
    buffer = np.zeros(piece.nbytes, np.uint8)
    shared = [np.frombuffer(p.content, np.uint8) for p in matrix.planes if p.content is not None]
    for offset, plane in zip(piece.plane_offsets, (*planes, *shared), strict=True):
        buffer[offset : offset + plane.nbytes] = plane.reshape(-1)
    return buffer.view(np.uint32)
