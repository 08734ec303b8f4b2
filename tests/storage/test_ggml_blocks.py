"""Repacked GGML blocks decode to llama.cpp's own values, exactly."""

from __future__ import annotations

import numpy as np
import pytest
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize

from tests.support.blocks import halves_of, random_blocks
from webgemma.errors import ConfigError, UnsupportedError
from webgemma.storage.layout import plan_matrix
from webgemma.storage.registry import KEPT, STORAGE_TYPES, storage_for

TYPES = [name for name in KEPT if name not in ("F32", "F16", "BF16")]
MOST = 1.05  # bytes in the site per byte in the file


@pytest.mark.parametrize("name", TYPES)
def test_equal_to_llama_cpp(name, fixtures):
    data = np.load(fixtures / "ggml-blocks.npz")
    blocks, values = data[f"{name}.blocks"], data[f"{name}.values"]
    storage = KEPT[name]
    planes = storage.encode(blocks, values.shape[1])
    assert [plane.shape[1] for plane in planes] == [
        plane.row_nbytes for plane in storage.planes(values.shape[1]) if plane.content is None
    ]
    np.testing.assert_array_equal(storage.decode(planes, values.shape[1]), values)


@pytest.mark.parametrize("name", TYPES)
def test_random_bytes_equal_gguf_py(name):
    """Every bit of a block counts, in codes no quantizer writes too."""
    rng = np.random.default_rng(7)
    size, _ = GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    rows, columns = 96, 768
    bits = rng.integers(0, 1 << 16, (rows, columns // size, halves_of(name)), np.uint16)
    scales = np.where(bits & 0x7C00 == 0x7C00, bits ^ 0x4000, bits).astype(np.uint16)
    raw = random_blocks(name, columns, scales.view(np.float16), rng)
    expected = dequantize(raw, GGMLQuantizationType[name])
    assert np.isfinite(expected).all()
    decoded = KEPT[name].decode(KEPT[name].encode(raw, columns), columns)
    np.testing.assert_array_equal(decoded, expected)


def test_every_exponent_of_mxfp4():
    """Scales 2^-128 to 2^127: weights are float32-subnormal at one end, infinite at the other."""
    nibbles = np.arange(0, 256, 17, np.uint8)[None].repeat(256, axis=0)  # low = high = 0..15
    raw = np.concatenate([np.arange(256, dtype=np.uint8)[:, None], nibbles], axis=1)
    with np.errstate(over="ignore"):
        expected = dequantize(raw, GGMLQuantizationType.MXFP4)
    decoded = KEPT["MXFP4"].decode(KEPT["MXFP4"].encode(raw, 32), 32)
    np.testing.assert_array_equal(decoded, expected)
    np.testing.assert_array_equal(decoded[0, 1:8], np.float32([1, 2, 3, 4, 6, 8, 12]) * 2.0**-128)
    assert np.isinf(decoded).any(axis=1).nonzero()[0].tolist() == [253, 254, 255]


@pytest.mark.parametrize("name", TYPES)
def test_no_more_bytes_than_in_the_file(name):
    """In the shape of a small model's matrix, with what its pieces share."""
    size, nbytes = GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    matrix = plan_matrix("w", KEPT[name], (2048, 2048))
    assert matrix.nbytes <= MOST * 2048 * 2048 // size * nbytes


@pytest.mark.parametrize("storage", STORAGE_TYPES.values(), ids=STORAGE_TYPES)
def test_bits_per_weight_are_those_of_the_planes(storage):
    columns = 1280  # a multiple of every type's block
    bits = sum(plane.row_nbytes for plane in storage.planes(columns)) * 8
    assert bits / columns == storage.bits_per_weight


@pytest.mark.parametrize(("name", "dtype"), [("F32", "<f4"), ("F16", "<f2")])
def test_floats_are_kept(name, dtype):
    values = np.array([[0.0, -0.0, 1e-7, 65504.0] * 8], dtype)
    planes = KEPT[name].encode(values.view(np.uint8).reshape(1, -1), 32)
    np.testing.assert_array_equal(KEPT[name].decode(planes, 32), values.astype(np.float32))


def test_bf16_is_kept():
    bits = np.array([[0x3F80, 0x8000, 0x0001, 0x7F7F] * 8], np.uint16)
    planes = KEPT["BF16"].encode(bits.view(np.uint8).reshape(1, -1), 32)
    decoded = KEPT["BF16"].decode(planes, 32)
    np.testing.assert_array_equal(decoded.view(np.uint32) >> 16, bits)


def test_unknown_type():
    with pytest.raises(UnsupportedError) as error:
        storage_for("x.gguf: tensor 'w'", "Q8_K")
    assert str(error.value) == (
        f"x.gguf: tensor 'w': type Q8_K is not supported (have {', '.join(KEPT)}). "
        "Re-export the model in one of these types."
    )


@pytest.mark.parametrize("name", TYPES)
def test_columns_that_do_not_divide(name):
    size, _ = GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    storage = KEPT[name]
    with pytest.raises(ConfigError) as error:
        storage.planes(3 * size // 2)
    assert str(error.value) == (
        f"storage {storage.name}: in_features is {3 * size // 2}, expected a multiple of {size}. "
        "Keep this matrix in another type, or pad the model's width."
    )
