"""A Llama of 1.26 billion weights as MLC's q4f32_1, seeded, of the shape of a real folder.

WEBGEMMA_LONG=1 runs it: 0.8 GB on disk twice, minutes on a software adapter.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.mlc.test_seed_folder import MODEL
from tests.support.greedy import greedy_steps
from tests.support.mlc_folder import CHAT_CONFIG
from tests.support.sentencepiece_model import write_model
from tests.support.vocabulary import make_vocabulary
from webgemma.build import build_site
from webgemma.runtime.session import open_session
from webgemma.storage.types import f32_to_bf16

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.slow,
    pytest.mark.skipif(os.environ.get("WEBGEMMA_LONG") != "1", reason="needs WEBGEMMA_LONG=1"),
]

TABLE = "mlc-llama-q4f32.tensor-cache.json"
KEYS = ("name", "shape", "dtype", "nbytes", "byteOffset")
CODE_DEVIATION = 4.61  # of a uniform code 0 .. 15
PROMPT = [2, *range(1000, 1030)]
COUNT = 8
TOLERANCE = 1e-3


def record_bytes(rng: np.random.Generator, record: dict[str, Any]) -> NDArray[np.uint8]:
    """Codes; scales that make weights of deviation 1/sqrt(columns); gains near 1."""
    count = int(np.prod(record["shape"]))
    if record["dtype"] == "uint32":
        return rng.integers(0, 1 << 32, count, np.uint32).view(np.uint8)
    if record["name"].endswith("q_scale"):
        mean = 1 / (CODE_DEVIATION * (32 * record["shape"][1]) ** 0.5)
        values = mean * rng.uniform(0.8, 1.2, count)
    else:
        values = 1 + 0.1 * rng.standard_normal(count)
    return f32_to_bf16(values.astype(np.float32)).view(np.uint8)


def write_folder(folder: Path, table: Path) -> Path:
    """The folder that the table describes, with every byte seeded."""
    rng = np.random.Generator(np.random.SFC64(0))
    seed = json.loads(table.read_text())
    shards = []
    for shard in seed["shards"]:
        records = [dict(zip(KEYS, r, strict=True), format="f32-to-bf16") for r in shard["records"]]
        shards.append({**shard, "format": "raw-shard", "records": records})
        with (folder / shard["dataPath"]).open("wb") as file:
            for record in records:
                file.seek(record["byteOffset"])
                file.write(record_bytes(rng, record).data)
            file.truncate(shard["nbytes"])
    cache = {"metadata": seed["metadata"], "records": shards}
    (folder / "ndarray-cache.json").write_text(json.dumps(cache))
    config = {**CHAT_CONFIG, "model_type": "llama", "quantization": "q4f32_1"}
    (folder / "mlc-chat-config.json").write_text(json.dumps({**config, "model_config": MODEL}))
    vocabulary = make_vocabulary(MODEL["vocab_size"])
    pieces = zip(vocabulary.tokens, vocabulary.scores, vocabulary.types, strict=True)
    (folder / "tokenizer.model").write_bytes(write_model(pieces))
    return folder


def test_it_builds_and_runs(tmp_path: Path, fixtures: Path) -> None:
    """Decode, token by token, chooses what the logits of prefill say."""
    (tmp_path / "model").mkdir()
    folder = write_folder(tmp_path / "model", fixtures / TABLE)
    report = build_site(folder, tmp_path / "site")
    assert report.models[0].num_parameters == 1_262_522_368
    assert list(report.models[0].storage) == ["q4f32_1"]
    started = time.perf_counter()
    with open_session(tmp_path / "site") as session:
        times = [time.perf_counter() - started]
        tokens = []
        for step in greedy_steps(session, PROMPT, COUNT):
            tokens += step
            times.append(time.perf_counter() - started - sum(times))
        logits = session.logits([*PROMPT, *tokens])[len(PROMPT) - 1 : -1]
    assert np.isfinite(logits).all()
    assert 0.5 < logits.std() < 2
    best = np.sort(logits, axis=-1)
    clear = best[:, -1] - best[:, -2] > 2 * TOLERANCE
    assert clear.sum() > COUNT // 2
    np.testing.assert_array_equal(logits.argmax(-1)[clear], np.array(tokens)[clear])
    print(
        f"build {report.duration_s:.1f} s, open {times[0]:.1f} s, {len(PROMPT)} tokens of prompt "
        f"{times[1]:.2f} s, then {sum(times[2:]):.2f} s for {len(tokens) - 1} tokens"
    )
