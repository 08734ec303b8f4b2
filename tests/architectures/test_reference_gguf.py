"""GGUF files that the tests write of transformers' models: the same logits, also by llama.cpp."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support import llama
from tests.support.golden import check_argmax
from tests.support.reference_gguf import write_reference_gguf
from tests.support.reference_models import MODELS, VOCAB, WINDOW, make_model
from webgemma.build import build_site
from webgemma.runtime.session import open_session

pytestmark = [pytest.mark.gpu, pytest.mark.references]

TOLERANCE = 1e-3
LLAMA_CPP_TOLERANCE = 3e-2  # its GELU comes from a table of halves


@pytest.fixture(scope="module", params=MODELS)
def written(request, tmp_path_factory, fixtures):
    """(token ids longer than the window, transformers' logits, the GGUF file)."""
    import torch

    model = make_model(request.param)
    path = tmp_path_factory.mktemp(request.param) / "model.gguf"
    write_reference_gguf(model, path, fixtures / "tokenizer.model")
    tokens = np.random.default_rng(1).integers(5, VOCAB, 3 * WINDOW + 5)
    tokens[0] = 2
    with torch.no_grad():
        logits = model(torch.tensor(tokens[None])).logits[0].numpy()
    return tokens.tolist(), logits, path


def test_ours(written):
    tokens, expected, path = written
    build_site(path, path.parent / "site")
    with open_session(path.parent / "site", variant="f32") as session:
        logits = session.logits(tokens)
    difference = np.abs(logits - expected).max()
    print(f"maxdiff {difference:.1e}, {check_argmax(logits, expected, TOLERANCE)} skipped")
    assert difference <= TOLERANCE


def test_llama_cpp(written):
    """What we wrote is what llama.cpp reads: a misreading of ours alone could not pass."""
    if why := llama.why_not():
        pytest.skip(why)
    tokens, expected, path = written
    logits = llama.logits(path, tokens)
    difference = np.abs(logits - expected).max()
    print(f"llama.cpp: maxdiff {difference:.1e}")
    assert difference <= LLAMA_CPP_TOLERANCE
