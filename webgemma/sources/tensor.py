"""A tensor that stays in its file until rows of it are asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webgemma.sources.files import SourceFile, shown


@dataclass(frozen=True, slots=True)
class FileTensor:
    """A range of bytes of a file that was checked to lie in it; a `checkpoint.Tensor`."""

    source: SourceFile
    name: str
    type: str
    shape: tuple[int, ...]
    """Outermost dimension first; () is one element."""
    offset: int
    """Of its first byte, from the start of the file."""
    nbytes: int

    @property
    def where(self) -> str:
        """The file and tensor for error messages."""
        return f"{self.source.path}: tensor {shown(self.name)}"

    @property
    def num_rows(self) -> int:
        """How many rows there are: all dimensions but the last."""
        return math.prod(self.shape[:-1])

    def read_rows(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Read rows start..stop-1 as raw bytes [stop - start, bytes per row].

        Raises:
            FormatError: the file changed since it was opened.
        """
        assert 0 <= start <= stop <= self.num_rows, (start, stop, self.num_rows)
        row_nbytes = self.nbytes // self.num_rows
        count = stop - start
        raw = self.source.read(self.offset + start * row_nbytes, count * row_nbytes)
        return raw.reshape(count, row_nbytes)
