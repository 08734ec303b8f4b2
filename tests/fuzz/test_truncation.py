"""A file cut short anywhere is refused when it is opened: missing bytes are never made up."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.support.mlc_folder import mlc_weights, stored, write_mlc
from webgemma.errors import FormatError
from webgemma.sources import open_checkpoint
from webgemma.sources.tensor import FileTensor

FIXTURES = Path(__file__).parent.parent / "fixtures"
NUM_RANDOM = 1_000


@pytest.fixture(params=["gguf", "safetensors"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    """(what is opened, the file that is cut)."""
    source = FIXTURES / "gemma-Q4_1.gguf"
    if request.param == "gguf":
        path = tmp_path / "model.gguf"
        shutil.copy(source, path)
        return path, path
    arrays = {
        name: tensor.read_rows(0, tensor.num_rows)
        for name, tensor in open_checkpoint(source).tensors.items()
        if isinstance(tensor, FileTensor)
    }
    path = tmp_path / "model.safetensors"
    save_file(arrays, path)
    (tmp_path / "config.json").write_text('{"model_type": "gemma"}')
    (tmp_path / "tokenizer.json").write_text("{}")
    return tmp_path, path


def test_cut_anywhere(model: tuple[Path, Path]) -> None:
    opened, path = model
    tensors = [t for t in open_checkpoint(opened).tensors.values() if isinstance(t, FileTensor)]
    total = path.stat().st_size
    end = max(t.offset + t.nbytes for t in tensors)
    boundaries = {t.offset for t in tensors} | {t.offset + t.nbytes for t in tensors}
    places = {place + step for place in boundaries for step in (-1, 0, 1)}
    places |= set(random.Random(0).sample(range(total), NUM_RANDOM))
    # From long to short, so that one copy can be cut again and again.
    for nbytes in sorted((p for p in places if p < min(end, total)), reverse=True):
        os.truncate(path, nbytes)
        with pytest.raises(FormatError) as caught:
            open_checkpoint(opened)
        assert str(caught.value).startswith(f"{path}: ")
        assert str(caught.value).isprintable()


def test_a_shard_of_mlc_cut_anywhere(tmp_path: Path) -> None:
    write_mlc(tmp_path, stored(mlc_weights(), "q4f16_1"), "q4f16_1")
    (tmp_path / "tokenizer.json").write_text("{}")
    assert open_checkpoint(tmp_path).format == "mlc"
    for path in sorted(tmp_path.glob("params_shard_*.bin")):
        data = path.read_bytes()
        for nbytes in random.Random(0).sample(range(len(data)), 50):
            path.write_bytes(data[:nbytes])
            with pytest.raises(FormatError) as caught:
                open_checkpoint(tmp_path)
            assert str(caught.value) == (
                f"{tmp_path / 'tensor-cache.json'}: shard {path.name!r}: key 'nbytes': got "
                f"{len(data)}, expected {nbytes:,}, the size of the file. "
                "The file is damaged or incomplete; fetch it again."
            )
        path.write_bytes(data)


def test_only_the_last_padding_may_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    shutil.copy(FIXTURES / "gemma-Q4_1.gguf", path)
    tensors = [t for t in open_checkpoint(path).tensors.values() if isinstance(t, FileTensor)]
    last = max(tensors, key=lambda t: t.offset)
    expected = last.read_rows(0, last.num_rows)
    os.truncate(path, last.offset + last.nbytes)
    got = open_checkpoint(path).tensors[last.name]
    np.testing.assert_array_equal(got.read_rows(0, last.num_rows), expected)
