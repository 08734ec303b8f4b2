"""Repacked GGML blocks decode to llama.cpp's own values, exactly."""

from __future__ import annotations

import numpy as np
import pytest

from webgemma.errors import ConfigError, UnsupportedError
from webgemma.storage.registry import KEPT, storage_for

TYPES = ["Q4_0", "Q4_1", "Q8_0", "Q4_K", "Q6_K"]
TYPES += ["IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S"]


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
def test_no_more_bytes_than_in_the_file(name, fixtures):
    blocks = np.load(fixtures / "ggml-blocks.npz")[f"{name}.blocks"]
    nbytes = sum(plane.row_nbytes for plane in KEPT[name].planes(512))
    assert nbytes <= 1.03 * blocks.shape[1]
    assert nbytes * 8 / 512 == KEPT[name].bits_per_weight


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
        storage_for("x.gguf: tensor 'w'", "Q4_0_4_8")
    assert str(error.value) == (
        f"x.gguf: tensor 'w': type Q4_0_4_8 is not supported (have {', '.join(KEPT)}). "
        "Re-export the model in one of these types."
    )


def test_columns_that_do_not_divide():
    with pytest.raises(ConfigError) as error:
        KEPT["Q4_K"].planes(288)
    assert str(error.value) == (
        "storage q4_k: in_features is 288, expected a multiple of 256. Keep this matrix in another "
        "type, or pad the model's width."
    )
