"""Tiny random models against transformers: one chunk, several chunks, token by token."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.golden import check_argmax
from tests.support.greedy import greedy_tokens
from tests.support.reference_models import MODELS, VOCAB, WINDOW, make_model
from webgemma.build import build_site
from webgemma.runtime.session import open_session

pytestmark = [pytest.mark.gpu, pytest.mark.references]

TOLERANCE = 1e-3


@pytest.fixture(scope="module", params=MODELS)
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
            first = greedy_tokens(session, tokens[:length], 2)[0]
            best = np.sort(expected[length - 1])
            if best[-1] - best[-2] > 2 * TOLERANCE:
                assert first == expected[length - 1].argmax()
