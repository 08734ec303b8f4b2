"""Every family in every variant: the logits of the f32 baseline, and its greedy tokens."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.golden import check_argmax
from tests.support.gpu import VARIANTS
from tests.support.greedy import greedy_tokens
from tests.support.tiny_gguf import write_tiny_gguf
from webgemma.build import build_site
from webgemma.runtime.session import open_session

pytestmark = pytest.mark.gpu

FAMILIES = {"gemma": 2, "gemma2": 2, "gemma3": 6, "llama": 2, "qwen3": 2}  # layers: both kinds
TOLERANCE = {"f32": 1e-4, "f16": 0.02}
NUM_TOKENS = 80  # more than the window
COUNT = 6


def run(site, variant, tokens):
    """(logits of the tokens, the greedy tokens after the first half of them)."""
    with open_session(site, variant=variant) as session:
        logits = session.logits(tokens)
        return logits, greedy_tokens(session, tokens[: NUM_TOKENS // 2], COUNT)


@pytest.mark.parametrize("family", FAMILIES)
def test_variants_agree(family, tmp_path, fixtures):
    tokenizer = fixtures / "tokenizer.model"
    path = write_tiny_gguf(tmp_path / "m.gguf", family, tokenizer, layers=FAMILIES[family])
    build_site(path, tmp_path / "site")
    tokens = np.random.default_rng(3).integers(5, 700, NUM_TOKENS).tolist()
    expected, greedy = run(tmp_path / "site", "f32", tokens)
    assert len(greedy) == COUNT
    for variant in (name for name in VARIANTS if name != "f32"):
        logits, produced = run(tmp_path / "site", variant, tokens)
        tolerance = TOLERANCE["f16" if "f16" in variant else "f32"]
        difference = np.abs(logits - expected).max()
        check_argmax(logits, expected, tolerance)
        print(f"{family} {variant}: maxdiff {difference:.1e}, std {expected.std():.2f}")
        assert difference <= tolerance
        assert "f16" in variant or produced == greedy
