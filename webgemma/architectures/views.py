"""Tensors seen in another shape: rows of a convolution, rows with zeros after them, a sum.

Each is a `checkpoint.Tensor` over tensors of a file, and reads what it is asked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webgemma.checkpoint import Tensor
from webgemma.storage.registry import storage_for
from webgemma.storage.types import K_MULTIPLE, as_bytes


@dataclass(frozen=True, slots=True)
class PaddedRows:
    """A tensor [n, ...] of floats as a matrix [n, K], K rounded up to K_MULTIPLE by zeros.

    The weights of a convolution [out, channels, height, width] become the matrix that a row of a
    patch's pixels is multiplied with. Zero bytes are 0 in every float type; quantized types have
    whole blocks in a row and are never padded.
    """

    tensor: Tensor

    @property
    def name(self) -> str:
        """As in the file."""
        return self.tensor.name

    @property
    def type(self) -> str:
        """As in the file."""
        return self.tensor.type

    @property
    def shape(self) -> tuple[int, ...]:
        """[n, K]."""
        return self.tensor.shape[0], padded(math.prod(self.tensor.shape[1:]))

    @property
    def nbytes(self) -> int:
        """Bytes with the zeros."""
        return self.tensor.nbytes // math.prod(self.tensor.shape[1:]) * self.shape[1]

    @property
    def where(self) -> str:
        """As in the file."""
        return self.tensor.where

    def read_rows(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Rows start..stop - 1 as raw bytes [stop - start, bytes per row]."""
        inner = math.prod(self.tensor.shape[1:-1])
        raw = self.tensor.read_rows(start * inner, stop * inner).reshape(stop - start, -1)
        return np.pad(raw, ((0, 0), (0, self.nbytes // self.shape[0] - raw.shape[1])))


@dataclass(frozen=True, slots=True)
class TablePlusRow:
    """A vector float32 [n * k]: the rows of a table [n, k], a row [k] added to each."""

    table: Tensor
    """Its last dimension is k; the others make n."""
    row: Tensor

    @property
    def name(self) -> str:
        """The table's."""
        return self.table.name

    @property
    def type(self) -> str:
        """Floats, whatever the file has."""
        return "F32"

    @property
    def shape(self) -> tuple[int, ...]:
        """[n * k]."""
        return (math.prod(self.table.shape),)

    @property
    def nbytes(self) -> int:
        """Bytes of the sum."""
        return 4 * self.shape[0]

    @property
    def where(self) -> str:
        """The table's."""
        return self.table.where

    def read_rows(self, start: int, stop: int) -> NDArray[np.uint8]:
        """The sum as raw bytes [1, bytes]; it is one row."""
        assert (start, stop) == (0, 1), (start, stop)
        return as_bytes((read_floats(self.table) + read_floats(self.row)).reshape(1, -1))


def num_weights(tensor: Tensor) -> int:
    """Numbers of a tensor in the file: without zeros of ours, of both where it is a sum."""
    if isinstance(tensor, PaddedRows):
        return math.prod(tensor.tensor.shape)
    if isinstance(tensor, TablePlusRow):
        return math.prod(tensor.table.shape) + math.prod(tensor.row.shape)
    return math.prod(tensor.shape)


def padded(in_features: int) -> int:
    """Columns rounded up to what the kernels read at a time."""
    return -(-in_features // K_MULTIPLE) * K_MULTIPLE


def read_floats(tensor: Tensor) -> NDArray[np.float32]:
    """All of a tensor as float32 [rows, columns]."""
    columns = tensor.shape[-1]
    kept = storage_for(tensor.where, tensor.type)
    raw = tensor.read_rows(0, math.prod(tensor.shape[:-1]))
    return kept.decode(kept.encode(raw, columns), columns)
