"""Every family says the same in Chromium as natively: logits of a seeded model at all positions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_model import check_greedy, engine_of, logits

from tests.support.tiny_gguf import write_tiny_gguf
from webgemma.build import build_site
from webgemma.runtime.session import open_session

pytestmark = [
    pytest.mark.browser,
    pytest.mark.gpu,
    pytest.mark.slow,
    pytest.mark.xdist_group("browser"),
]

TOLERANCE = 2e-3
FAMILIES = {"gemma": 2, "gemma2": 2, "gemma3": 7, "llama": 2, "qwen3": 2}  # layers: both kinds
NUM_TOKENS = 80  # more than the window


@pytest.mark.parametrize("family", FAMILIES)
def test_same_logits(
    tmp_path: Path, fixtures: Path, open_page: Callable[..., Any], family: str
) -> None:
    tokenizer = fixtures / "tokenizer.model"
    layers = FAMILIES[family]
    path = write_tiny_gguf(tmp_path / "m.gguf", family, tokenizer, layers=layers)
    build_site(path, tmp_path / "site", model_id="tiny")
    tokens = np.random.default_rng(3).integers(5, 700, NUM_TOKENS).tolist()
    with open_session(tmp_path / "site", variant="f32") as session:
        native = session.logits(tokens)
    with engine_of(tmp_path / "site", open_page, "tiny", "f32") as page:
        difference = np.abs(logits(page, tokens) - native).max()
        print(f"{family}: maxdiff {difference:.1e}, std {native.std():.2f}")
        assert native.std() > 0.5
        assert difference < TOLERANCE
        check_greedy(page, tokens)
