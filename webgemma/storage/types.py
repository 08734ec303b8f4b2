"""How a matrix is stored: planes, and the interface every storage type implements.

A matrix is [out_features N, in_features K], quantized along K. A storage type splits it into
*planes* (codes, scales, ...), each with the same N rows, so that a kernel binds one range and finds
the planes at constant offsets. A table that all rows use (a grid of codes) is a *shared* plane: one
row for a whole piece of the matrix, in the same range. Each type is one class here and one WGSL
snippet of the same name in shaders/storage/.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from webgemma.errors import ConfigError
from webgemma.tiles import TILE_ROWS, Tiles

K_MULTIPLE = 32
"""Every kernel reads weights 32 at a time, so in_features is a multiple of 32."""

WORD_NBYTES = 4
QUAD_NBYTES = 16
"""A quad of four words, as a vec4<u32>."""

DTYPE_NBYTES = {
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "uint32": 4,
    "uint8": 1,
    "int8": 1,
}
"""Bytes per element of the dtype names MLC's tensor cache uses."""

BF16_LARGEST = 0x7F7F0000
"""Bits of the largest finite bfloat16, as float32."""

Planes = tuple[NDArray[np.uint8], ...]
"""One array [rows, row_nbytes] of raw little-endian bytes per plane."""


@dataclass(frozen=True, slots=True)
class Plane:
    """One plane of a storage type: `columns` elements of `dtype` per row.

    A plane with `content` is shared: one row, those bytes, stored once per piece of a matrix.
    """

    name: str
    dtype: str
    columns: int
    content: bytes | None = None
    unit_nbytes: int = WORD_NBYTES
    """What kernels read at once of a row: a word, a quad of four, or more."""
    tile_rows: int = TILE_ROWS
    """Rows of a tile, where a variant puts planes into tiles (webgemma/tiles.py)."""

    @property
    def row_nbytes(self) -> int:
        """Bytes that each row of the matrix adds to this plane: 0 for a shared one."""
        return 0 if self.content is not None else self.columns * DTYPE_NBYTES[self.dtype]

    @property
    def shared_nbytes(self) -> int:
        """Bytes of this plane in every piece, whatever its rows: 0 for one with a row each."""
        return 0 if self.content is None else len(self.content)

    def tiles(self) -> Tiles | None:
        """How it goes into tiles; None where a row is not whole units, or it has no rows."""
        if self.content is not None or self.row_nbytes % self.unit_nbytes:
            return None
        return Tiles(self.unit_nbytes, self.row_nbytes // self.unit_nbytes, self.tile_rows)


class StorageType(Protocol):
    """One way to store a matrix: its planes, how they are made and what they mean."""

    @property
    def name(self) -> str:
        """The name in program.json and of the WGSL snippet: "q4_1"."""

    @property
    def bits_per_weight(self) -> float:
        """Bits that one weight takes in the site, all planes but the shared ones together."""

    def planes(self, in_features: int) -> tuple[Plane, ...]:
        """The planes of a matrix with `in_features` columns, as stored, the shared ones last."""

    def encode(self, rows: NDArray[np.uint8], in_features: int) -> Planes:
        """Repack raw rows [n, bytes per row] of the source type into planes, losslessly.

        Shared planes are left out here and in `decode`: they do not depend on the rows.
        """

    def decode(self, planes: Sequence[NDArray[np.uint8]], in_features: int) -> NDArray[np.float32]:
        """The weights float32 [n, in_features] that planes [n, row_nbytes] stand for."""


def check_in_features(where: str, in_features: int, multiple: int) -> None:
    """Refuse a matrix whose rows do not divide into blocks.

    Raises:
        ConfigError: `in_features` is not a multiple of `multiple`.
    """
    if in_features % multiple:
        msg = (
            f"{where}: in_features is {in_features}, expected a multiple of {multiple}. "
            "Keep this matrix in another type, or pad the model's width."
        )
        raise ConfigError(msg)


def as_bytes(array: NDArray[np.generic]) -> NDArray[np.uint8]:
    """The same memory as bytes: [n, columns] of any dtype -> uint8 [n, row_nbytes]."""
    contiguous = np.ascontiguousarray(array)
    return contiguous.view(np.uint8).reshape(contiguous.shape[0], -1)


def view(plane: NDArray[np.uint8], dtype: str) -> NDArray[np.generic]:
    """A plane's bytes [n, row_nbytes] as elements [n, columns] of a numpy dtype."""
    return np.ascontiguousarray(plane).view(np.dtype(dtype))


def split_blocks(rows: NDArray[np.uint8], block_nbytes: int) -> NDArray[np.uint8]:
    """Rows of GGML blocks [n, bytes] -> [n, blocks per row, block_nbytes]."""
    return np.ascontiguousarray(rows).reshape(rows.shape[0], -1, block_nbytes)


def block_bytes(blocks: NDArray[np.uint8], start: int, stop: int) -> NDArray[np.uint8]:
    """Bytes start..stop - 1 of every block [n, b, block_nbytes], contiguous [n, b, stop - start].

    As a field of a structure numpy copies them several times as fast as by a slice.
    """
    field = np.dtype(
        {
            "names": ["bytes"],
            "formats": [f"V{stop - start}"],
            "offsets": [start],
            "itemsize": blocks.shape[-1],
        }
    )
    copied = np.ascontiguousarray(blocks.view(field)["bytes"])
    return copied.view(np.uint8).reshape(*blocks.shape[:-1], stop - start)


def pack_nibbles(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pack 4-bit codes [n, K] into bytes [n, K/2]: the lower k in the low nibble.

    As little-endian words this is MLC's order: element r of a word in bits 4r..4r+3.
    """
    pairs = np.ascontiguousarray(codes).view("<u2")
    packed = pairs >> np.uint16(4)
    packed |= pairs
    return packed.astype(np.uint8)


def unpack_nibbles(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Undo `pack_nibbles`: bytes [n, K/2] -> codes [n, K]."""
    codes = np.empty((plane.shape[0], plane.shape[1] * 2), np.uint8)
    codes[:, 0::2] = plane & 0xF
    codes[:, 1::2] = plane >> 4
    return codes


def bf16_to_f32(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Widen bfloat16 bit patterns to float32, exactly."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def f32_to_bf16(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Round float32 to bfloat16 bit patterns, nearest even; beyond the largest one, cut off.

    Source: TVM python/tvm/contrib/tvmjs.py, the encoder of "f32-to-bf16".
    """
    bits = values.astype(np.float32).view(np.uint32)
    is_within = (bits & 0x7FFFFFFF) < BF16_LARGEST
    bias = np.where(is_within, ((bits >> 16) & 1) + 0x7FFF, 0).astype(np.uint32)
    return ((bits + bias) >> 16).astype(np.uint16)
