"""A tensor whose rows lie in another order in the file; rows move whole, so no code changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webgemma.checkpoint import Tensor


@dataclass(frozen=True, slots=True)
class HalvesOfPairs:
    """Row i and row i + head_dim / 2 of a head, which the file has side by side as 2 i and 2 i + 1.

    llama.cpp's converter permutes the query and key rows of Llama so, for a rotation of
    neighbours (conversion/llama.py, permute); ours and Hugging Face's rotates the halves. A
    `checkpoint.Tensor`.
    """

    tensor: Tensor
    """[heads * head_dim, in_features], rows as in the file."""
    head_dim: int

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
        """As in the file."""
        return self.tensor.shape

    @property
    def nbytes(self) -> int:
        """As in the file."""
        return self.tensor.nbytes

    @property
    def where(self) -> str:
        """As in the file."""
        return self.tensor.where

    def read_rows(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Rows start..stop - 1 in our order, as raw bytes [stop - start, bytes per row]."""
        first = start // self.head_dim * self.head_dim
        last = -(-stop // self.head_dim) * self.head_dim  # whole heads are read
        raw = self.tensor.read_rows(first, last)
        heads = raw.reshape(-1, self.head_dim // 2, 2, raw.shape[1])
        ours = heads.swapaxes(1, 2).reshape(raw.shape)
        return np.ascontiguousarray(ours[start - first : stop - first])
