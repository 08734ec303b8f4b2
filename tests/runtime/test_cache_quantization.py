"""A site with caches in 8 bits, natively: the logits of exact arithmetic on such caches."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support import gemma2_float64
from tests.support.golden import check_argmax, mean_kl
from tests.support.greedy import greedy_tokens
from tests.support.make_gguf import read_back
from webgemma.build import build_site
from webgemma.program.spec import VARIANTS
from webgemma.resources import built_in_model
from webgemma.runtime.session import open_session

pytestmark = pytest.mark.gpu

SHAPE = gemma2_float64.Shape(num_hidden_layers=3, sliding_window=64, has_8_bit_cache=True)
MOST_KL = 1e-6
"""From exact arithmetic on 8-bit caches: a code may differ where an element is between two."""


@pytest.fixture(scope="module")
def site(fixtures, tmp_path_factory):
    folder = tmp_path_factory.mktemp("q8") / "site"
    build_site(fixtures / "gemma2-F16.gguf", folder, cache_quantization="q8")
    return folder


@pytest.fixture(scope="module")
def expected(fixtures):
    """(tokens, logits with 8-bit caches and without), exact."""
    saved = np.load(fixtures / "gemma2-F16.npz")
    _, _, tensors = read_back(fixtures / "gemma2-F16.gguf")
    weights = {name: np.asarray(tensor, np.float64) for name, tensor in tensors.items()}
    quantized = gemma2_float64.logits(weights, saved["tokens"], SHAPE)
    return saved["tokens"].tolist(), quantized, saved["logits"]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_logits_are_those_of_8_bit_caches(site, variant, expected):
    tokens, quantized, plain = expected
    with open_session(site, variant=variant.name) as session:
        logits = session.logits(tokens)
    kl, difference = mean_kl(logits, quantized), np.abs(logits - quantized).max()
    print(f"{variant.name}: mean KL {kl:.1e}, maxdiff {difference:.1e}")
    assert kl < MOST_KL
    assert mean_kl(logits, plain) > 100 * MOST_KL


def test_decode_picks_what_the_exact_logits_do(site, expected):
    """Decode reads what prefill wrote, and writes on."""
    tokens = expected[0][:100]
    with open_session(site, variant="f32") as session:
        produced = greedy_tokens(session, tokens, 32)
        logits = session.logits([*tokens, *produced])[len(tokens) - 1 : -1]
    skipped = check_argmax(np.eye(logits.shape[1])[produced], logits, 0.01)
    print(f"arg-max skipped at {skipped} of {len(produced)}")
    assert skipped < len(produced) / 2


def test_pebble_answers_as_with_caches_of_floats(tmp_path):
    replies = []
    for cache in ("none", "q8"):
        build_site(built_in_model(), tmp_path / cache, cache_quantization=cache)
        with open_session(tmp_path / cache) as session:
            prompt = "What is your name?"
            replies.append("".join(session.generate(prompt, max_tokens=60, temperature=0)))
    assert "Pebble" in replies[0]
    assert replies[1] == replies[0]
