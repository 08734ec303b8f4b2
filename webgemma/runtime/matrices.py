"""Matrices as textures, for the variants that read them so: made, and filled record by record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import wgpu
from numpy.typing import NDArray

from webgemma.tiles import (
    TEXEL_NBYTES,
    TEXELS_PER_ROW,
    Tiles,
    chunk_nbytes,
    regions,
    texture_rows,
    to_tiles,
)

MATRIX_LAYOUTS: Mapping[str, dict[str, Any]] = {
    "rows": {"buffer": {"type": "read-only-storage"}},
    "tiles": {"texture": {"sample_type": wgpu.TextureSampleType.uint}},
    "storage-tiles": {
        "storage_texture": {
            "access": wgpu.StorageTextureAccess.read_only,
            "format": wgpu.TextureFormat.rgba32uint,
        }
    },
}
"""What a variant keeps matrices in -> how its kernels bind one."""

_Usage = wgpu.TextureUsage
MATRIX_USAGE = _Usage.TEXTURE_BINDING | _Usage.STORAGE_BINDING | _Usage.COPY_DST


def binding_layout(kind: str, matrices: str) -> dict[str, Any]:
    """How a binding of this type is laid out, where a variant keeps matrices so."""
    return MATRIX_LAYOUTS[matrices] if kind == "matrix" else {"buffer": {"type": kind}}


def create_matrix(device: Any, nbytes: int) -> Any:
    """A texture of rgba32uint that holds `nbytes` bytes of planes; WebGPU zeroes it."""
    return device.create_texture(
        size=(TEXELS_PER_ROW, texture_rows(nbytes), 1),
        format=wgpu.TextureFormat.rgba32uint,
        usage=MATRIX_USAGE,
    )


def write_matrix(
    device: Any, texture: Any, offset: int, data: NDArray[np.uint8], tiles: Tiles | None
) -> None:
    """Write part of a plane.

    Args:
        device: The texture's.
        texture: What `create_matrix` made.
        offset: Where in the matrix's bytes it goes, a multiple of 16.
        data: uint8 [nbytes], rows in their order; zeros fill the last texel.
        tiles: What the plane is put into on the way; None leaves it as it is.
    """
    step = chunk_nbytes(tiles)
    for start in range(0, data.size, step):
        chunk = data[start : start + step]
        ordered = chunk if tiles is None else to_tiles(chunk, tiles)
        ordered = np.pad(ordered, (0, -ordered.size % TEXEL_NBYTES))
        write_texels(device, texture, (offset + start) // TEXEL_NBYTES, ordered)


def write_texels(device: Any, texture: Any, first: int, data: NDArray[np.uint8]) -> None:
    """Write whole texels, uint8 [16 n], from number `first` on."""
    start = 0
    for region in regions(first, data.size // TEXEL_NBYTES):
        stop = start + region.width * region.height * TEXEL_NBYTES
        device.queue.write_texture(
            {"texture": texture, "origin": (region.x, region.y, 0)},
            data[start:stop],
            {"bytes_per_row": region.width * TEXEL_NBYTES, "rows_per_image": region.height},
            (region.width, region.height, 1),
        )
        start = stop
