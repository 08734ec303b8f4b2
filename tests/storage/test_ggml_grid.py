"""Grids of the IQ types: kernels unpack gguf-py's own grid; what the shared planes weigh."""

from __future__ import annotations

import gguf.quants
import numpy as np
import pytest

from webgemma.storage.ggml_grid import complete_signs, grid
from webgemma.storage.layout import plan_matrix
from webgemma.storage.registry import KEPT

TYPES = {
    "IQ1_S": 2048, "IQ1_M": 2048, "IQ2_XXS": 256, "IQ2_XS": 512, "IQ2_S": 1024, "IQ3_XXS": 256,
    "IQ3_S": 512,
}  # fmt: skip


VALUES = {
    "IQ1": [-1, 0, 1], "IQ2": [8, 25, 43], "IQ3_XXS": [4, 12, 20, 28, 36, 44, 52, 62],
    "IQ3_S": [1, 3, 5, 7, 9, 11, 13, 15],
}  # fmt: skip


def unpacked(content: bytes, length: int) -> np.ndarray:
    """Codes [entries, length] as storage/grid8 or storage/iq3 unpacks them, a byte each."""
    entry = np.frombuffer(content, "<u2").astype(np.uint32)
    if length == 4:
        words = (entry | entry << 12)[:, None] & 0x07070707
    else:
        spread = entry | entry << 14
        words = np.stack([spread & 0x03030303, spread >> 4 & 0x03030303], axis=-1)
    return words.astype("<u4").view(np.uint8)


@pytest.mark.parametrize(("name", "entries"), TYPES.items())
def test_the_shared_plane_is_the_grid(name, entries):
    shared = [plane for plane in KEPT[name].planes(256) if plane.content is not None]
    assert [(plane.name, plane.row_nbytes) for plane in shared] == [("grid", 0)]
    content = shared[0].content
    assert len(content) == shared[0].shared_nbytes == 4 * shared[0].columns
    expected = grid("IQ1_S" if name == "IQ1_M" else name)
    assert len(expected) == entries
    values = np.array(VALUES.get(name) or VALUES[name[:3]])
    np.testing.assert_array_equal(values[unpacked(content, expected.shape[1])], expected)


def test_seven_signs_give_the_eighth():
    index = np.arange(128, dtype=np.uint8)
    ksigns = np.frombuffer(gguf.quants.IQ2_XXS.ksigns, np.uint8)
    np.testing.assert_array_equal(complete_signs(index), ksigns)


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize(("shape", "most"), [((2048, 256), 1.05), ((2304, 9216), 1.002)])
def test_bytes_with_the_grid(name, shape, most):
    """In the site and on the GPU, of the file's: shared planes count."""
    weights, nbytes = gguf.constants.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]]
    in_the_file = shape[0] * shape[1] // weights * nbytes
    matrix = plan_matrix("w", KEPT[name], shape)
    assert in_the_file < matrix.nbytes <= most * in_the_file
    assert matrix.nbytes <= sum(piece.nbytes for piece in matrix.pieces) <= most * in_the_file
