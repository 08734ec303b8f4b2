"""Sites with caches or activations in 8 bits say the same in Chromium as natively."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_model import create, engine_of, logits

from tests.support.golden import mean_kl
from tests.support.tiny_gguf import write_tiny_gguf
from webgemma.build import build_site
from webgemma.resources import built_in_model
from webgemma.runtime.session import open_session

pytestmark = [
    pytest.mark.browser,
    pytest.mark.gpu,
    pytest.mark.slow,
    pytest.mark.xdist_group("browser"),
]

MOST_KL = {"cache_quantization": 1e-6, "activation_quantization": 1e-3}
"""A code may differ where an element is between two, and of activations that changes later ones."""
OPTIONS = [*MOST_KL]
QUESTION = "What is your name?"


@pytest.mark.parametrize("option", OPTIONS)
def test_logits_of_gemma_2(
    tmp_path: Path, fixtures: Path, open_page: Callable[..., Any], option: str
) -> None:
    path = write_tiny_gguf(tmp_path / "m.gguf", "gemma2", fixtures / "tokenizer.model", layers=2)
    build_site(path, tmp_path / "site", model_id="tiny", **{option: "q8"})
    tokens = np.random.default_rng(3).integers(5, 700, 80).tolist()  # more than the window
    with open_session(tmp_path / "site", variant="f32") as session:
        native = session.logits(tokens)
    with engine_of(tmp_path / "site", open_page, "tiny", "f32") as page:
        kl = mean_kl(logits(page, tokens), native)
        print(f"mean KL {kl:.1e}, std {native.std():.2f}")
        assert native.std() > 0.5
        assert kl < MOST_KL[option]


@pytest.mark.parametrize("option", OPTIONS)
def test_pebble_answers_as_natively(
    tmp_path: Path, open_page: Callable[..., Any], option: str
) -> None:
    build_site(built_in_model(), tmp_path / "site", model_id="pebble", **{option: "q8"})
    with open_session(tmp_path / "site") as session:
        expected = "".join(session.generate(QUESTION, max_tokens=60, temperature=0))
    assert "Pebble" in expected
    with engine_of(tmp_path / "site", open_page, "pebble", "auto") as page:
        messages = [{"role": "user", "content": QUESTION}]
        answer = create(page, messages=messages, max_tokens=60, temperature=0)
        assert answer["choices"][0]["message"]["content"] == expected
