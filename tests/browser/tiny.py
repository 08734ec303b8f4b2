"""A program small enough to be computed in the head, for tests of the browser runner.

Its "layers" append tokens to a cache; its "head" is h(n) = sum of (j + 1) * cache[j] over the first
n tokens, the next token (h + bias[h % V]) % V. So every token depends on the whole cache, on both
slices of `bias`, and on the state that the sampler chains from step to step.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from webgemma.checkpoint import TokenizerSource
from webgemma.program.spec import STATE_WORDS
from webgemma.site import SiteWriter
from webgemma.tokenizer import make_tokenizer_json

FIXTURES = Path(__file__).parents[1] / "fixtures"
V = 700  # as the tokenizer has
CONTEXT = 300
PREFILL_CHUNK = 32
LOGITS_CHUNK = 5
RING = 16
FACTORS = [1.0, 0.25]
BIAS = np.random.default_rng(7).integers(0, V, V, dtype=np.uint32)
SLICES = (450, V - 450)  # rows of `bias` in each shard
ODD = bytes([1, 2, 3, 4, 7])  # a record whose length is not a multiple of 4

CHAT = {
    "prefix": "",
    "roles": {
        "user": {"prefix": "", "suffix": "\n", "trim": True},
        "assistant": {"prefix": "", "suffix": "\n", "trim": True},
    },
    "generation_prefix": "",
}

STATE = """
struct State {
  position: u32, num_tokens: u32, token_id: u32, context_window_size: u32,
  temperature: f32, seed: u32, num_generated: u32, logits_start: u32,
}
const V = 700u;
"""
APPEND = (
    STATE
    + """
override CHAINED: u32;
@group(0) @binding(0) var<uniform> state: State;
@group(0) @binding(1) var<storage, read> tokens: array<u32>;
@group(0) @binding(2) var<storage, read_write> cache: array<u32>;
@compute @workgroup_size(16) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= state.num_tokens) { return; }
  cache[state.position + id.x] = select(tokens[id.x], state.token_id, CHAINED == 1u);
}
"""
)
NEXT = (
    STATE
    + """
const RING = 16u;
@group(0) @binding(0) var<storage, read_write> state: State;
@group(0) @binding(1) var<storage, read> bias: array<u32>;
@group(0) @binding(2) var<storage, read> cache: array<u32>;
@group(0) @binding(3) var<storage, read_write> generated: array<u32>;
@compute @workgroup_size(1) fn main() {
  let length = state.position + state.num_tokens;
  var sum = 0u;
  for (var j = 0u; j < length; j++) { sum += (j + 1u) * cache[j]; }
  let token = (TOTAL + bias[TOTAL % V]) % V;
  state.token_id = token;
  state.position = length;
  state.num_tokens = 1u;
  generated[state.num_generated % RING] = token;
  state.num_generated += 1u;
}
"""
)
LOGITS = (
    STATE
    + """
@group(0) @binding(0) var<uniform> state: State;
@group(0) @binding(1) var<storage, read> bias: array<u32>;
@group(0) @binding(2) var<storage, read> cache: array<u32>;
@group(0) @binding(3) var<storage, read> table: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read> odd: array<u32>;
@group(0) @binding(5) var<storage, read_write> logits: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= state.num_tokens * V) { return; }
  let last = state.position + state.logits_start + id.x / V;
  var sum = 0u;
  for (var j = 0u; j <= last; j++) { sum += (j + 1u) * cache[j]; }
  let angles = table[last * 2u] + table[last * 2u + 1u];
  logits[id.x] = f32((sum + bias[id.x % V]) % V) + angles.x + angles.y + 2000 * f32(odd[1]);
}
"""
)
SHADERS = {
    "shaders/append.wgsl": APPEND,
    "shaders/next.wgsl": NEXT.replace("TOTAL", "sum"),
    # Does not compile without `enable subgroups;`, which the runner has to prepend.
    "shaders/next.subgroups.wgsl": NEXT.replace("TOTAL", "subgroupBroadcastFirst(sum)"),
    "shaders/logits.wgsl": LOGITS,
}


def next_token(cache: Sequence[int]) -> int:
    """The token after `cache`."""
    total = sum((j + 1) * token for j, token in enumerate(cache))
    return int((total + int(BIAS[total % V])) % V)


def generate(prompt: Sequence[int], count: int) -> list[int]:
    """The next `count` tokens."""
    tokens = list(prompt)
    for _ in range(count):
        tokens.append(next_token(tokens))
    return tokens[len(prompt) :]


def logits(tokens: Sequence[int]) -> NDArray[np.float64]:
    """[tokens, V] as phase `logits` gives them."""
    rows = []
    for last in range(len(tokens)):
        total = sum((j + 1) * token for j, token in enumerate(tokens[: last + 1]))
        angles = sum(math.cos(last * f) + math.sin(last * f) for f in FACTORS)
        rows.append((total + BIAS.astype(np.int64)) % V + angles + 2000 * ODD[4])
    return np.array(rows)


def _kernel(file: str, bindings: dict[str, str], **constants: int) -> dict[str, Any]:
    special = file.replace(".wgsl", ".subgroups.wgsl")
    shader = {"file": file, "requires": []}
    with_subgroups = {"file": special, "requires": ["subgroups"]} if special in SHADERS else shader
    return {
        "template": Path(file).stem,
        "shaders": {"subgroups": with_subgroups, "f32": shader},
        "bindings": [{"name": name, "type": kind} for name, kind in bindings.items()],
        "constants": constants,
    }


def _step(kernel: str, *buffers: str, dispatch: int | str = 1) -> dict[str, Any]:
    return {
        "label": kernel,
        "kernel": kernel,
        "bindings": [{"buffer": buffer} for buffer in buffers],
        "dispatch": [dispatch, 1, 1],
    }


def program(slices: Sequence[int] = SLICES) -> dict[str, Any]:
    """The program.json."""
    read, write = "read-only-storage", "storage"
    appended = {"state": "uniform", "tokens": read, "cache": write}
    head = {"state": write, "bias": read, "cache": read, "generated": write}
    steps = ("state", "bias", "cache", "generated")
    return {
        "version": 1,
        "architecture": "tiny",
        "prefill_chunk_size": PREFILL_CHUNK,
        "logits_chunk_size": LOGITS_CHUNK,
        "vocab_size": V,
        "max_context_window_size": CONTEXT,
        "generated_ring_size": RING,
        "variants": [
            {"name": "subgroups", "requires": ["subgroups"], "symbols": {"cache_nbytes": 4}},
            {"name": "f32", "requires": [], "symbols": {"cache_nbytes": 4}},
        ],
        "state": STATE_WORDS,
        "buffers": {
            "state": {"kind": "state", "nbytes": 32},
            "tokens": {"kind": "input", "nbytes": 4 * PREFILL_CHUNK},
            "table": {
                "kind": "table",
                "nbytes": f"context_window_size * {8 * len(FACTORS)}",
                "init": {"op": "cos_sin", "factors": FACTORS},
            },
            "bias": {"kind": "weights", "nbytes": 4 * V},
            "odd": {"kind": "weights", "nbytes": 8},
            "cache": {"kind": "cache", "nbytes": "context_window_size * cache_nbytes"},
            "logits": {"kind": "output", "nbytes": 4 * V * LOGITS_CHUNK},
            "generated": {"kind": "output", "nbytes": 4 * RING},
        },
        "records": {
            **{
                f"bias#{i}": {"buffer": "bias", "offset": 4 * sum(slices[:i])}
                for i in range(len(slices))
            },
            "odd": {"buffer": "odd", "offset": 0},
        },
        "kernels": {
            "append": _kernel("shaders/append.wgsl", appended, CHAINED=0),
            "append_chained": _kernel("shaders/append.wgsl", appended, CHAINED=1),
            "sample": _kernel("shaders/next.wgsl", head),
            "logits": _kernel(
                "shaders/logits.wgsl",
                {"state": "uniform", "bias": read, "cache": read, "table": read, "odd": read}
                | {"logits": write},
            ),
        },
        "phases": {
            "prefill": [
                _step("append", "state", "tokens", "cache", dispatch="ceil_div(num_tokens, 16)")
            ],
            "sample": [_step("sample", *steps)],
            "decode": [
                _step("append_chained", "state", "tokens", "cache"),
                _step("sample", *steps),
            ],
            "logits": [
                _step("logits", "state", "bias", "cache", "table", "odd", "logits")
                | {"dispatch": [f"ceil_div(num_tokens * {V}, 64)", 1, 1]}
            ],
        },
    }


def write_site(out: Path, slices: Sequence[int] = SLICES, **options: Any) -> Path:
    """Write the site, a shard for each slice of `bias`; return the folder of its model."""
    starts = [sum(slices[:i]) for i in range(len(slices))]
    shards = [
        [(f"bias#{i}", struct.pack(f"<{rows}I", *BIAS[start : start + rows]))]
        for i, (start, rows) in enumerate(zip(starts, slices, strict=True))
    ]
    shards[0].append(("odd", ODD))
    with SiteWriter(out, **options) as site:
        model = site.model("tiny", name="Tiny")
        records = []
        for i, contents in enumerate(shards):
            file = f"params_shard_{i}.bin"
            model.add_bytes(f"weights/{file}", b"".join(data for _, data in contents))
            records.append(_shard(file, [(name, len(data)) for name, data in contents]))
        model.add_json("weights/ndarray-cache.json", {"metadata": {}, "records": records})
        folder = f"weights-{model.digest('weights')}"
        model.rename_folder("weights", folder)
        model.add_json("program.json", program(slices))
        for file, text in SHADERS.items():
            model.add_bytes(file, text.encode())
        source = TokenizerSource(sentencepiece=(FIXTURES / "tokenizer.model").read_bytes())
        model.add_bytes("tokenizer.json", make_tokenizer_json(source))
        model.finish(
            {
                "version": 1,
                "id": "tiny",
                "name": "Tiny",
                "architecture": "tiny",
                "num_parameters": V,
                "storage": {},
                "weights": {
                    "path": f"{folder}/",
                    "nbytes": sum(len(data) for shard in shards for _, data in shard),
                    "num_shards": len(shards),
                },
                "vocab_size": V,
                "context": {"default": CONTEXT, "max": CONTEXT},
                "limits": {},
                "generation": {"bos_token_id": 2, "stop_token_ids": [], "temperature": 0},
                "chat": CHAT,
            }
        )
    return out / "models" / "tiny"


def _shard(name: str, contents: list[tuple[str, int]]) -> dict[str, Any]:
    records, offset = [], 0
    for record, nbytes in contents:
        records.append(
            {
                "name": record,
                "shape": [nbytes],
                "dtype": "uint8",
                "format": "raw",
                "nbytes": nbytes,
                "byteOffset": offset,
            }
        )
        offset += nbytes
    return {"dataPath": name, "format": "raw-shard", "nbytes": offset, "records": records}
