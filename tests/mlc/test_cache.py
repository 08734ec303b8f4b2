"""The packer against a cache that MLC wrote: the same shards, offsets and JSON.

WEBGEMMA_MLC=full packs the 710 MB themselves; else every size, the cap too, is a sixteenth, which
leads to the same shards.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from webgemma.errors import ConfigError
from webgemma.mlc.cache import B16_NAME, CACHE_NAMES, SHARD_CAP_NBYTES, CacheWriter, RecordPlan
from webgemma.sources.mlc_cache import read_cache

HIDDEN, INTERMEDIATE, VOCAB, LAYERS = 4096, 11008, 55296, 4
IS_FULL = os.environ.get("WEBGEMMA_MLC") == "full"
DIVISOR = 1 if IS_FULL else 16
CHUNK_NBYTES = 8 << 20


def expected_cache(fixtures: Path) -> dict[str, Any]:
    """The seed's JSON without md5 sums, every size divided."""
    seed = json.loads((fixtures / "mlc-llama-q4f32.tensor-cache.json").read_text())
    metadata = seed["metadata"] | {"ParamBytes": seed["metadata"]["ParamBytes"] / DIVISOR}
    shards = []
    for shard in seed["shards"]:
        records = [
            {
                "name": name,
                "shape": [shape[0] // DIVISOR, *shape[1:]],
                "dtype": dtype,
                "format": "f32-to-bf16",
                "nbytes": nbytes // DIVISOR,
                "byteOffset": offset // DIVISOR,
            }
            for name, shape, dtype, nbytes, offset in shard["records"]
        ]
        shards.append(
            {
                "dataPath": shard["dataPath"],
                "format": "raw-shard",
                "nbytes": shard["nbytes"] // DIVISOR,
                "records": records,
            }
        )
    return {"metadata": metadata, "records": shards}


def model_plans() -> list[RecordPlan]:
    """The 45 tensors in MLC's order, written out from the model's sizes."""
    plans: list[RecordPlan] = []

    def matrix(name: str, rows: int, columns: int) -> None:
        rows //= DIVISOR
        plans.append(RecordPlan(f"{name}.q_weight", (rows, columns // 8), "uint32"))
        plans.append(RecordPlan(f"{name}.q_scale", (rows, columns // 32), "float32"))

    matrix("model.embed_tokens", VOCAB, HIDDEN)
    for i in range(LAYERS):
        layer = f"model.layers.{i}"
        matrix(f"{layer}.self_attn.qkv_proj", 3 * HIDDEN, HIDDEN)
        matrix(f"{layer}.self_attn.o_proj", HIDDEN, HIDDEN)
        matrix(f"{layer}.mlp.gate_up_proj", 2 * INTERMEDIATE, HIDDEN)
        matrix(f"{layer}.mlp.down_proj", HIDDEN, INTERMEDIATE)
        for norm in ("input", "post_attention"):
            plans.append(
                RecordPlan(f"{layer}.{norm}_layernorm.weight", (HIDDEN // DIVISOR,), "float32")
            )
    plans.append(RecordPlan("model.norm.weight", (HIDDEN // DIVISOR,), "float32"))
    matrix("lm_head", VOCAB, HIDDEN)
    return plans


def chunks(index: int, plan: RecordPlan) -> Iterator[np.ndarray]:
    """Seeded bytes of a tensor: codes 0..14, or bfloat16 from 2^-8 to 2^-7, a few MB at a time."""
    rng = np.random.default_rng(index)
    for start in range(0, plan.nbytes, CHUNK_NBYTES):
        nbytes = min(CHUNK_NBYTES, plan.nbytes - start)
        if plan.dtype == "uint32":
            raw = np.frombuffer(rng.bytes(nbytes), np.uint8)
            yield raw & 0x77  # no nibble is 15
        else:
            raw16 = np.frombuffer(rng.bytes(nbytes), np.uint16)
            yield (raw16 & 0x7F) | np.uint16(0x3B80)


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all 45 tensors."""
    folder = tmp_path_factory.mktemp("packed")
    writer = CacheWriter(folder, folder, SHARD_CAP_NBYTES // DIVISOR)
    for index, plan in enumerate(model_plans()):
        writer.add(plan, chunks(index, plan))
    writer.finish((2 * VOCAB * HIDDEN + LAYERS * layer_size() + HIDDEN) // DIVISOR)
    return folder


def layer_size() -> int:
    """Weights of one layer."""
    return 4 * HIDDEN * HIDDEN + 3 * INTERMEDIATE * HIDDEN + 2 * HIDDEN


def test_equal_to_the_seed(packed: Path, fixtures: Path) -> None:
    """Every key in its order and the very text, but for md5 sums, which are those of the files."""
    text = (packed / CACHE_NAMES[0]).read_text()
    cache = json.loads(text)
    assert len(model_plans()) == 45
    for shard in cache["records"]:
        data = (packed / shard["dataPath"]).read_bytes()
        assert list(shard)[-1] == "md5sum"
        assert shard.pop("md5sum") == hashlib.md5(data).hexdigest()
    expected = expected_cache(fixtures)
    assert json.dumps(cache, indent=4) == json.dumps(expected, indent=4)
    assert json.dumps(json.loads(text), indent=4) == text
    assert (packed / CACHE_NAMES[1]).read_text() == text


def test_the_second_file_calls_float32_what_it_is_stored_as(packed: Path) -> None:
    cache = json.loads((packed / CACHE_NAMES[0]).read_text())
    b16 = json.loads((packed / B16_NAME).read_text())
    for shard in cache["records"]:
        for record in shard["records"]:
            if record["dtype"] == "float32":
                record |= {"dtype": "bfloat16", "format": "raw"}
    assert b16 == cache


def test_every_byte_is_where_the_cache_says(packed: Path) -> None:
    tensors = read_cache(packed / CACHE_NAMES[0]).tensors
    assert set(tensors) == {plan.name for plan in model_plans()}
    for index, plan in enumerate(model_plans()):
        tensor = tensors[plan.name]
        assert tensor.shape == plan.shape
        assert tensor.type == ("U32" if plan.dtype == "uint32" else "BF16")
        rows = tensor.num_rows
        expected = hashlib.md5(b"".join(c.tobytes() for c in chunks(index, plan))).digest()
        assert hashlib.md5(tensor.read_rows(0, rows).tobytes()).digest() == expected


def test_a_large_tensor_that_fits_joins_the_open_shard(tmp_path: Path) -> None:
    """Alone in a shard, and before the open one, is only what does not fit; 100 is too much."""
    writer = CacheWriter(tmp_path, tmp_path, shard_cap_nbytes=100)
    sizes = {"a": 70, "b": 28, "c": 2, "d": 60, "e": 30, "f": 8, "g": 100}
    for name, nbytes in sizes.items():
        writer.add(RecordPlan(name, (nbytes // 2,), "float16"), [np.zeros(nbytes // 2, np.float16)])
    writer.finish(1)
    found = [[record["name"] for record in shard["records"]] for shard in writer.shards]
    assert found == [["a", "b"], ["c", "d", "e"], ["g"], ["f"]]
    assert not (tmp_path / B16_NAME).exists()


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    writer = CacheWriter(tmp_path / "none", tmp_path / "out", shard_cap_nbytes=4)
    with pytest.raises(ConfigError) as caught:
        writer.add(RecordPlan("a", (2,), "float16"), [np.zeros(2, np.float16)])
    path = tmp_path / "out" / "params_shard_0.bin"
    assert str(caught.value) == (
        f"{path}: cannot be written: No such file or directory. Free space or choose another "
        "folder with -o."
    )
