"""Decode's dispatches per layer, for every mix of storage types within a layer."""

from __future__ import annotations

from itertools import product

import pytest

from tests.support.programs import shape_checkpoint
from webgemma.architectures import lower
from webgemma.program.check import check

MOST = {"gemma": 8, "gemma2": 10, "gemma3": 11, "llama": 8, "qwen3": 9}
TYPES = ("Q4_K", "Q6_K", "F16")


def dispatches(family, types, **shape) -> int:
    """Decode dispatches of the busiest layer, counted from program.json's steps."""
    lowered = lower(shape_checkpoint(family, types, **shape))
    return check(lowered.program, lowered.shaders).dispatches_per_layer["decode"]


@pytest.mark.parametrize("family", MOST)
def test_every_mix_of_q_k_v(family):
    for q, k, v in product(TYPES, repeat=3):
        count = dispatches(family, {"attn_q": q, "attn_k": k, "attn_v": v})
        assert count <= MOST[family] + (len({q, k, v}) > 1), (q, k, v, count)


@pytest.mark.parametrize("family", MOST)
@pytest.mark.parametrize("rest", TYPES)
def test_other_mixes(family, rest):
    for gate, up, other in product(TYPES, repeat=3):
        types = {
            "ffn_gate": gate,
            "ffn_up": up,
            "ffn_down": other,
            "attn_output": other,
            "token_embd": rest,
        }
        assert dispatches(family, types, default=rest) <= MOST[family]


def test_gate_and_up_of_different_types_cost_one_more():
    assert dispatches("gemma", {"ffn_up": "Q6_K"}) == dispatches("gemma", {}) + 1


def test_as_designed():
    assert dispatches("gemma", {}) == 6
    assert dispatches("gemma2", {}) == 8
    assert dispatches("gemma3", {}, layers=6) == 9
    assert dispatches("llama", {}) == 6
    assert dispatches("qwen3", {}) == 7


def test_f16_of_gemma_2b_still_fits():
    """Gate and up of 134 MB are two matrices; the program stays within the count."""
    shape = {"hidden": 2048, "intermediate": 16384, "heads": (8, 1, 256), "vocab": 2048}
    assert dispatches("gemma", {}, default="F16", **shape) <= MOST["gemma"]
