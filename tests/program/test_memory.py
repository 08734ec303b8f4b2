"""Memory by hand, against the cases that web/tests run through the JavaScript twin too."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from webgemma.program.memory import PARALLEL_SHARDS, Memory, measure_memory, plain_variants
from webgemma.program.spec import Program, program_from_json

ROOT = Path(__file__).parents[2]
CASES = json.loads((ROOT / "tests/cases/memory.json").read_text(encoding="utf-8"))


def program() -> Program:
    """The program of the cases."""
    numbers = (
        "prefill_chunk_size",
        "logits_chunk_size",
        "vocab_size",
        "generated_ring_size",
        "num_hidden_layers",
    )
    return program_from_json(
        {
            "architecture": "none",
            "max_context_window_size": 100,
            **dict.fromkeys(numbers, 1),
            "variants": CASES["variants"],
            "buffers": CASES["buffers"],
            "records": {},
            "kernels": {},
            "phases": {},
        }
    )


def as_dict(memory: Memory) -> dict[str, int]:
    return {name: getattr(memory, name) for name in CASES["cases"][0]["memory"]}


@pytest.mark.parametrize("case", CASES["cases"], ids=lambda case: case["variant"])
def test_the_sums_are_those_made_by_hand(case: dict[str, Any]) -> None:
    variant = next(v for v in program().variants if v.name == case["variant"])
    memory = measure_memory(program(), variant, case["context_window_size"], case["shard_nbytes"])
    assert as_dict(memory) == case["memory"]


def test_natively_one_shard_is_in_flight() -> None:
    variant = program().variants[0]
    memory = measure_memory(program(), variant, 100, [30000, 40000, 20000], parallel=1)
    assert memory.loading_nbytes == 2 * 40000


def test_variants_that_allocate_the_same_are_one() -> None:
    assert list(plain_variants(program())) == ["software", "f16", "f32"]


def test_the_page_has_as_many_shards_in_flight() -> None:
    text = (ROOT / "web/runtime/shards.js").read_text(encoding="utf-8")
    found = re.search(r"PARALLEL_SHARDS = (\d+);", text)
    assert found is not None
    assert int(found[1]) == PARALLEL_SHARDS
