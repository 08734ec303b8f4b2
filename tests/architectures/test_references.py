"""Tiny random models against transformers: one chunk, several chunks, token by token."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.golden import check_argmax
from webgemma.build import build_site
from webgemma.runtime.session import open_session

pytestmark = [pytest.mark.gpu, pytest.mark.references]

TOLERANCE = 1e-3
VOCAB = 700  # of tests/fixtures/tokenizer.model
WINDOW = 32

SHAPE = {
    "vocab_size": VOCAB, "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 24,
    "max_position_embeddings": 256, "attn_implementation": "eager",
    "bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0,
}  # fmt: skip


def make_model(family: str):
    """A seeded model with sharp attention, float32."""
    import torch
    from transformers import Gemma2Config, Gemma2ForCausalLM, GemmaConfig, GemmaForCausalLM

    torch.manual_seed(0)
    if family == "gemma":
        model = GemmaForCausalLM(GemmaConfig(**SHAPE))
    else:
        model = Gemma2ForCausalLM(
            Gemma2Config(
                **SHAPE, sliding_window=WINDOW, query_pre_attn_scalar=20,
                attn_logit_softcapping=20.0, final_logit_softcapping=10.0,
            )
        )  # fmt: skip
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            spread = 0.3 if "norm" in name else 2.0 if "q_proj" in name else 1.0
            scale = spread if "norm" in name else spread / parameter.shape[-1] ** 0.5
            parameter.copy_(torch.randn_like(parameter) * scale)
    return model.eval()


@pytest.fixture(scope="module", params=["gemma", "gemma2"])
def pair(request, tmp_path_factory, fixtures):
    """(token ids longer than the window, transformers' logits, site folder)."""
    import torch

    folder = tmp_path_factory.mktemp(request.param)
    model = make_model(request.param)
    model.save_pretrained(folder / "model")
    tokenizer = (fixtures / "tokenizer.model").read_bytes()
    (Path(folder) / "model" / "tokenizer.model").write_bytes(tokenizer)
    tokens = np.random.default_rng(1).integers(0, VOCAB, 3 * WINDOW + 5)
    with torch.no_grad():
        logits = model(torch.tensor(tokens[None])).logits[0].numpy()
    build_site(folder / "model", folder / "site")
    return tokens.tolist(), logits, folder / "site"


@pytest.mark.parametrize("chunk", [256, 40, 1])
def test_logits(pair, chunk):
    tokens, expected, site = pair
    with open_session(site, variant="f32") as session:
        session.program = replace(session.program, prefill_chunk_size=chunk)
        logits = session.logits(tokens)
    difference = np.abs(logits - expected).max()
    skipped = check_argmax(logits, expected, TOLERANCE)
    print(f"chunk {chunk}: maxdiff {difference:.1e}, {skipped} skipped, std {expected.std():.2f}")
    assert difference <= TOLERANCE


def test_decode(pair):
    """The fused decode kernels, token by token, agree with transformers' greedy choice."""
    tokens, expected, site = pair
    with open_session(site, variant="f32") as session:
        for length in range(1, len(tokens), 9):
            state = {"temperature": 0.0, "num_generated": 0}
            steps = session.token_steps(tokens[:length], 2, state)
            first = next(token for step in steps for token in step)
            best = np.sort(expected[length - 1])
            if best[-1] - best[-2] > 2 * TOLERANCE:
                assert first == expected[length - 1].argmax()
