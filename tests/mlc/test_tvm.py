"""TVM as an independent judge: it reads what we write, and we read what it writes.

Skipped where apache-tvm is not installed (pip install .[mlc]).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.support.tiny_folder import tiny_weights, write_tiny
from webgemma.mlc import convert_to_mlc
from webgemma.mlc.schemes import SCHEMES
from webgemma.sources.mlc_cache import CACHE_NAMES, read_cache
from webgemma.storage.types import bf16_to_f32, f32_to_bf16

pytest.importorskip("tvm", reason="apache-tvm is not installed (pip install .[mlc])")

# load_tensor_cache leaves its files to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.mark.parametrize("quantization", SCHEMES)
@pytest.mark.parametrize("cache_name", CACHE_NAMES)
def test_tvm_reads_what_we_write(
    quantization: str, cache_name: str, tmp_path: Path, fixtures: Path
) -> None:
    import tvm
    from tvm.contrib import tvmjs

    source = write_tiny(tmp_path / "hf", "gemma2", fixtures / "tokenizer.model")
    convert_to_mlc(source, tmp_path / "mlc", quantization=quantization)
    path = tmp_path / "mlc" / cache_name
    theirs, metadata = tvmjs.load_tensor_cache(str(path), tvm.cpu())
    ours = read_cache(path).tensors
    assert theirs.keys() == ours.keys()
    assert metadata == json.loads(path.read_text())["metadata"]
    assert metadata["ParamSize"] == len(theirs)
    for name, tensor in ours.items():
        raw = tensor.read_rows(0, tensor.num_rows)
        array = theirs[name].numpy()
        assert array.shape == tensor.shape
        if tensor.type == "BF16":
            assert array.dtype == np.float32
            expected = bf16_to_f32(raw.view(np.uint16)).reshape(tensor.shape)
        else:
            dtype = {"U32": np.uint32, "F16": np.float16}[tensor.type]
            expected = raw.view(dtype).reshape(tensor.shape)
        np.testing.assert_array_equal(array, expected, err_msg=name)


@pytest.mark.parametrize("encoding", ["f32-to-bf16", "raw"])
def test_we_read_what_tvm_writes(encoding: str, tmp_path: Path) -> None:
    from tvm.contrib import tvmjs

    rng = np.random.default_rng(0)
    arrays = {
        **tiny_weights("gemma"),
        "half": rng.standard_normal((5, 7)).astype(np.float16),
        "codes": rng.integers(0, 2**32, (300, 4_000), np.uint32),
        "large": rng.integers(0, 2**32, (200, 30_000), np.uint32),
        "extreme": np.array([3.4e38, -3.4e38, 1e-40, 1.00390625, -0.0], np.float32),
    }
    tvmjs.dump_tensor_cache(
        arrays, str(tmp_path), encode_format=encoding, shard_cap_mb=1, show_progress=False
    )
    cache = read_cache(tmp_path / "tensor-cache.json")
    assert len(cache.files) > 2
    assert cache.tensors.keys() == arrays.keys()
    for name, array in arrays.items():
        tensor = cache.tensors[name]
        raw = tensor.read_rows(0, tensor.num_rows).reshape(-1)
        is_bf16 = encoding != "raw" and array.dtype == np.float32
        expected = f32_to_bf16(array) if is_bf16 else array
        assert tensor.shape == array.shape
        np.testing.assert_array_equal(raw, expected.reshape(-1).view(np.uint8), err_msg=name)


def test_the_same_files_as_tvm(tmp_path: Path, fixtures: Path) -> None:
    """TVM's writer, given the tensors it read from our folder, writes our bytes again."""
    import tvm
    from tvm.contrib import tvmjs

    source = write_tiny(tmp_path / "hf", "llama", fixtures / "tokenizer.model")
    convert_to_mlc(source, tmp_path / "mlc", quantization="q4f32_1")
    tensors, metadata = tvmjs.load_tensor_cache(str(tmp_path / "mlc"), tvm.cpu())
    tvmjs.dump_tensor_cache(
        tensors, str(tmp_path / "again"), meta_data=metadata, show_progress=False
    )
    written = sorted((tmp_path / "again").iterdir())
    assert [path.name for path in written] == [
        "params_shard_0.bin", "tensor-cache-b16.json", "tensor-cache.json",
    ]  # fmt: skip
    for path in written:
        assert path.read_bytes() == (tmp_path / "mlc" / path.name).read_bytes(), path.name
