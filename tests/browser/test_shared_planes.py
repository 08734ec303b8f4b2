"""A model whose matrices have shared planes, a grid each, in Chromium against float64."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_model import TOLERANCE, engine_of, logits

from tests.support import gemma2_float64
from tests.support.typed_gguf import SHAPE, write_typed
from webgemma.build import build_site

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]


@pytest.mark.parametrize("name", ["IQ2_S", "IQ3_XXS"])
def test_logits_are_exact(
    name: str, fixtures: Path, tmp_path: Path, open_page: Callable[..., Any]
) -> None:
    weights = write_typed(tmp_path / "m.gguf", fixtures, name)
    build_site(tmp_path / "m.gguf", tmp_path / "site", model_id="grid")
    tokens = np.random.default_rng(7).integers(0, 1024, 24)
    expected = gemma2_float64.logits(weights, tokens, SHAPE)
    with engine_of(tmp_path / "site", open_page, "grid", "f32") as page:
        difference = np.abs(logits(page, tokens.tolist()) - expected).max()
        print(f"{name}: maxdiff {difference:.1e}, std {expected.std():.2f}")
        assert expected.std() > 50 * TOLERANCE
        assert difference < TOLERANCE
