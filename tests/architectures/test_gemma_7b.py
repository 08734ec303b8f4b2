"""Gemma 1 7B: more heads than its width has room for, a feed-forward of 24,576."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.support.golden import check_argmax
from tests.support.greedy import greedy_tokens
from tests.support.programs import shape_checkpoint
from tests.support.reference_models import SHAPE, VOCAB, set_weights
from webgemma.architectures import lower
from webgemma.build import build_site
from webgemma.program.check import check
from webgemma.runtime.session import open_session

HIDDEN, INTERMEDIATE, HEADS, HEAD_DIM = 3072, 24576, 16, 256
TOLERANCE = 1e-3


@pytest.mark.parametrize(("default", "most"), [("Q4_1", 6), ("Q4_K", 6), ("Q8_0", 7), ("F16", 9)])
def test_it_passes_the_checker(default, most):
    """Matrices over 96 MiB, in F16 as much as 151 MB, are served in pieces."""
    checkpoint = shape_checkpoint(
        "gemma", {"token_embd": "Q6_K"}, default=default, layers=28, vocab=256000,
        hidden=HIDDEN, intermediate=INTERMEDIATE, heads=(HEADS, HEADS, HEAD_DIM),
    )  # fmt: skip
    metadata = checkpoint.metadata | {"gemma.context_length": 8192}
    lowered = lower(replace(checkpoint, metadata=metadata))
    report = check(lowered.program, lowered.shaders)
    assert report.dispatches_per_layer["decode"] <= most
    assert lowered.program.max_context_window_size == 8192


@pytest.mark.gpu
@pytest.mark.references
@pytest.mark.slow
def test_one_layer_against_transformers(tmp_path, fixtures):
    """A seeded layer of the true size in F16, down_proj in two pieces: prefill, then decode."""
    import torch
    from transformers import GemmaConfig, GemmaForCausalLM

    config = SHAPE | {
        "num_hidden_layers": 1, "hidden_size": HIDDEN, "intermediate_size": INTERMEDIATE,
        "num_attention_heads": HEADS, "num_key_value_heads": HEADS, "head_dim": HEAD_DIM,
    }  # fmt: skip
    model = set_weights(GemmaForCausalLM(GemmaConfig(**config)), "gemma").half()
    model.save_pretrained(tmp_path / "model")
    (tmp_path / "model" / "tokenizer.model").write_bytes(
        (fixtures / "tokenizer.model").read_bytes()
    )
    tokens = np.random.default_rng(1).integers(0, VOCAB, 24).tolist()
    model = GemmaForCausalLM.from_pretrained(tmp_path / "model", dtype=torch.float32)
    with torch.no_grad():
        expected = model(torch.tensor([tokens])).logits[0].numpy()
    build_site(tmp_path / "model", tmp_path / "site")
    with open_session(tmp_path / "site", variant="f32") as session:
        logits = session.logits(tokens)
        first = greedy_tokens(session, tokens[:8], 1)[0]
    difference = np.abs(logits - expected).max()
    print(f"maxdiff {difference:.1e}, {check_argmax(logits, expected, TOLERANCE)} skipped")
    assert difference <= TOLERANCE
    assert first == expected[7].argmax()
