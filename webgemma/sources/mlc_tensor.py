"""Tensors of MLC's group quantization: codes and scales that lie apart, one raw row together.

MLC stores the weights W [N, K] of a layer as q_weight and q_scale. In the layout NK (names ending
in _1 and _2) a row of each belongs to a row of W; in the layout KN (_0) both are transposed, but
for the embedding. Source: mlc-llm python/mlc_llm/quantization/group_quantization.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from webgemma.sources.files import fill
from webgemma.sources.tensor import FileTensor


@dataclass(frozen=True, slots=True)
class GroupTensor:
    """Rows of a group-quantized matrix; a `checkpoint.Tensor`."""

    name: str
    type: str
    """The quantization that gives its codes meaning: "Q4F16_1", ..."""
    shape: tuple[int, ...]
    codes: FileTensor
    """q_weight: U32 [N, words], or [words, all rows] where transposed."""
    scales: FileTensor
    """q_scale [N, groups], or [groups, all rows] where transposed."""
    is_transposed: bool
    row_start: int = 0
    """Of this tensor in what is transposed: parts of that are no ranges of bytes."""

    @property
    def where(self) -> str:
        """The file and tensor for error messages."""
        return self.codes.where

    @property
    def nbytes(self) -> int:
        """Bytes of this tensor's codes and scales in the file."""
        total = self.codes.nbytes + self.scales.nbytes
        return total // self.codes.shape[1] * self.shape[0] if self.is_transposed else total

    def read_rows(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Read rows start..stop-1 as bytes [stop - start, row_nbytes]: a row's codes, its scales.

        Raises:
            FormatError: the file changed since it was opened.
        """
        assert 0 <= start <= stop <= self.shape[0], (start, stop, self.shape)
        if not self.is_transposed:
            return np.hstack([part.read_rows(start, stop) for part in self._parts])
        start, stop = self.row_start + start, self.row_start + stop
        return np.hstack([read_columns(part, start, stop) for part in self._parts])

    def slice_rows(self, name: str, start: int, stop: int) -> GroupTensor:
        """Rows start..stop-1 as a tensor of its own."""
        shape = (stop - start, self.shape[1])
        if self.is_transposed:
            return replace(self, name=name, shape=shape, row_start=self.row_start + start)
        codes, scales = (slice_rows(part, part.name, start, stop) for part in self._parts)
        return replace(self, name=name, shape=shape, codes=codes, scales=scales)

    @property
    def _parts(self) -> tuple[FileTensor, FileTensor]:
        return self.codes, self.scales


def slice_rows(tensor: FileTensor, name: str, start: int, stop: int) -> FileTensor:
    """Rows start..stop-1 of a matrix [N, columns] as a tensor of its own."""
    row_nbytes = tensor.nbytes // tensor.num_rows
    return FileTensor(
        tensor.source,
        name,
        tensor.type,
        (stop - start, tensor.shape[1]),
        tensor.offset + start * row_nbytes,
        (stop - start) * row_nbytes,
    )


def read_columns(tensor: FileTensor, start: int, stop: int) -> NDArray[np.uint8]:
    """Columns start..stop-1 of a matrix [R, C], transposed: bytes [stop - start, R * item size].

    Raises:
        FormatError: the file changed since it was opened.
    """
    rows, columns = tensor.shape
    item_nbytes = tensor.nbytes // (rows * columns)
    read = np.empty((rows, (stop - start) * item_nbytes), np.uint8)
    with tensor.source.open() as file:
        for row in range(rows):
            offset = tensor.offset + (row * columns + start) * item_nbytes
            fill(tensor.source.path, file, offset, read[row].data)
    items = read.reshape(rows, stop - start, item_nbytes)
    return np.ascontiguousarray(items.transpose(1, 0, 2)).reshape(stop - start, -1)
