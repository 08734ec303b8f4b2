"""A folder of the layout that MLC gave a Llama of 1.3 billion weights is read whole.

The shards have their true sizes but are sparse: only some rows are written.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.mlc_folder import CHAT_CONFIG
from webgemma.architectures import lower
from webgemma.sources import open_checkpoint
from webgemma.storage.mlc import Q4F32_1

HIDDEN, INTERMEDIATE, VOCAB, LAYERS = 4096, 11008, 55296, 4
MODEL = {
    "hidden_size": HIDDEN, "intermediate_size": INTERMEDIATE, "num_attention_heads": 32,
    "num_hidden_layers": LAYERS, "rms_norm_eps": 1e-5, "vocab_size": VOCAB,
    "tie_word_embeddings": False, "position_embedding_base": 10000, "rope_scaling": None,
    "num_key_value_heads": 32, "head_dim": 128, "context_window_size": 4096,
    "prefill_chunk_size": 2048, "tensor_parallel_shards": 1, "max_batch_size": 80,
}  # fmt: skip
SHAPES = {
    "self_attn.q_proj": (HIDDEN, HIDDEN), "self_attn.k_proj": (HIDDEN, HIDDEN),
    "self_attn.v_proj": (HIDDEN, HIDDEN), "self_attn.o_proj": (HIDDEN, HIDDEN),
    "mlp.gate_proj": (INTERMEDIATE, HIDDEN), "mlp.up_proj": (INTERMEDIATE, HIDDEN),
    "mlp.down_proj": (HIDDEN, INTERMEDIATE), "input_layernorm": (HIDDEN,),
    "post_attention_layernorm": (HIDDEN,),
}  # fmt: skip
SAMPLED = {
    # MLC's matrix and the row in it -> Hugging Face's and the row in that
    ("model.layers.2.self_attn.qkv_proj", 0): ("model.layers.2.self_attn.q_proj", 0),
    ("model.layers.2.self_attn.qkv_proj", 5330): ("model.layers.2.self_attn.k_proj", 1234),
    ("model.layers.2.self_attn.qkv_proj", 12287): ("model.layers.2.self_attn.v_proj", 4095),
    ("model.layers.1.mlp.gate_up_proj", 11007): ("model.layers.1.mlp.gate_proj", 11007),
    ("model.layers.1.mlp.gate_up_proj", 11008): ("model.layers.1.mlp.up_proj", 0),
    ("model.layers.3.mlp.down_proj", 17): ("model.layers.3.mlp.down_proj", 17),
    ("model.embed_tokens", 55295): ("model.embed_tokens", 55295),
    ("lm_head", 7): ("lm_head", 7),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, fixtures: Path) -> Path:
    """The seed's table of contents, sparse shards, and some rows of codes and scales."""
    folder = tmp_path_factory.mktemp("llama-q4f32_1-MLC")
    seed = json.loads((fixtures / "mlc-llama-q4f32.tensor-cache.json").read_text())
    keys = ("name", "shape", "dtype", "nbytes", "byteOffset")
    shards, places = [], {}
    for shard in seed["shards"]:
        records = [dict(zip(keys, r, strict=True), format="f32-to-bf16") for r in shard["records"]]
        shards.append({**shard, "format": "raw-shard", "records": records})
        places |= {record["name"]: (shard["dataPath"], record) for record in records}
        with (folder / shard["dataPath"]).open("wb") as file:
            file.truncate(shard["nbytes"])
    for module, row in SAMPLED:
        for suffix, data in zip(
            ("q_weight", "q_scale"), row_planes(places, module, row), strict=True
        ):
            file_name, record = places[f"{module}.{suffix}"]
            with (folder / file_name).open("r+b") as file:
                file.seek(record["byteOffset"] + row * data.nbytes)
                file.write(data.tobytes())
    cache = {"metadata": seed["metadata"], "records": shards}
    (folder / "ndarray-cache.json").write_text(json.dumps(cache))
    config = {**CHAT_CONFIG, "model_type": "llama", "quantization": "q4f32_1"}
    (folder / "mlc-chat-config.json").write_text(json.dumps({**config, "model_config": MODEL}))
    (folder / "tokenizer.model").write_bytes((fixtures / "tokenizer.model").read_bytes())
    return folder


def row_planes(places: dict[str, Any], module: str, row: int) -> tuple[np.ndarray, np.ndarray]:
    """Seeded codes uint32 and bfloat16 scales of one row."""
    columns = places[f"{module}.q_scale"][1]["shape"][1]
    rng = np.random.default_rng(row)
    codes = rng.integers(0, 2**32, 4 * columns, np.uint32) & np.uint32(0x77777777)
    return codes, rng.integers(0x3B80, 0x3C00, columns).astype(np.uint16)


def test_names_and_shapes(folder: Path) -> None:
    tensors = open_checkpoint(folder).tensors
    expected: dict[str, tuple[int, ...]] = {
        f"model.layers.{i}.{name}.weight": shape
        for i in range(LAYERS)
        for name, shape in SHAPES.items()
    }
    expected |= {f"{name}.weight": (VOCAB, HIDDEN) for name in ("model.embed_tokens", "lm_head")}
    expected["model.norm.weight"] = (HIDDEN,)
    assert {name: tensor.shape for name, tensor in tensors.items()} == expected
    kinds = {name: tensor.type for name, tensor in tensors.items()}
    assert {kind for name, kind in kinds.items() if "norm" in name} == {"BF16"}
    assert {kind for name, kind in kinds.items() if "norm" not in name} == {"Q4F32_1"}


def test_sampled_values(folder: Path) -> None:
    """Weights worked out from the bytes, one by one."""
    tensors = open_checkpoint(folder).tensors
    places = {f"{m}.q_scale": (0, {"shape": (0, 344 if "down" in m else 128)}) for m, _ in SAMPLED}
    for (module, row), (theirs, their_row) in SAMPLED.items():
        words, scales = row_planes(places, module, row)
        tensor = tensors[f"{theirs}.weight"]
        columns = tensor.shape[1]
        raw = tensor.read_rows(their_row, their_row + 1)
        got = Q4F32_1.decode(Q4F32_1.encode(raw, columns), columns)[0]
        for column in (0, 1, 7, 8, 31, 32, columns // 2 + 3, columns - 1):
            code = int(words[column // 8]) >> (4 * (column % 8)) & 15
            bits = np.array([int(scales[column // 32]) << 16], np.uint32)
            assert got[column] == np.float32(code - 7) * bits.view(np.float32)[0], (module, column)


def test_it_lowers_to_a_program_that_keeps_its_codes(folder: Path) -> None:
    lowered = lower(open_checkpoint(folder))
    stored = {s.matrix.name: s.matrix for s in lowered.sources if hasattr(s, "matrix")}
    assert {matrix.storage.name for matrix in stored.values()} == {"q4f32_1"}
    assert sum(m.rows * m.in_features for m in stored.values()) == 1_262_522_368 - 9 * HIDDEN
    assert sum(m.nbytes for m in stored.values()) == sum(
        rows * columns * 18 // 32
        for rows, columns in [
            *[shape for shape in SHAPES.values() if len(shape) == 2] * LAYERS,
            *[(VOCAB, HIDDEN)] * 2,
        ]
    )
