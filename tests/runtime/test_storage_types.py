"""A whole GGUF file in each of llama.cpp's types, built and run, against float64."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from tests.support import gemma2_float64
from tests.support.golden import check_argmax
from tests.support.greedy import greedy_tokens
from tests.support.typed_gguf import SHAPE, write_typed
from webgemma.architectures import weights as weight_plan
from webgemma.build import build_site
from webgemma.runtime.session import open_session
from webgemma.runtime.shards import open_site_model
from webgemma.storage.layout import plan_matrix
from webgemma.storage.registry import KEPT

pytestmark = pytest.mark.gpu

NUM_TOKENS, NUM_PRODUCED = 40, 8
TOLERANCE = 1e-3
TYPES = [name for name in KEPT if name not in ("F32", "F16")]


def check_site(site, weights, label):
    """Prefill's logits at every position, then what decode picks, greedily."""
    tokens = np.random.default_rng(6).integers(0, 1024, NUM_TOKENS).tolist()
    with open_session(site, variant="f32") as session:
        logits = session.logits(tokens)
        produced = greedy_tokens(session, tokens, NUM_PRODUCED)
    expected = gemma2_float64.logits(weights, np.array(tokens + produced), SHAPE)
    difference = np.abs(logits - expected[:NUM_TOKENS]).max()
    picked = np.eye(expected.shape[1])[produced]
    skipped = check_argmax(picked, expected[NUM_TOKENS - 1 : -1], TOLERANCE)
    print(f"{label}: maxdiff {difference:.2e}, skipped {skipped} of {len(produced)}")
    assert difference <= TOLERANCE
    assert len(produced) == NUM_PRODUCED
    assert skipped < NUM_PRODUCED / 2


@pytest.mark.parametrize("name", TYPES)
def test_logits_and_tokens(name, fixtures, tmp_path):
    weights = write_typed(tmp_path / "m.gguf", fixtures, name)
    build_site(tmp_path / "m.gguf", tmp_path / "site")
    check_site(tmp_path / "site", weights, name)


@pytest.mark.parametrize("name", ["IQ1_M", "IQ2_S", "IQ3_XXS"])
def test_every_piece_has_its_grid(name, fixtures, tmp_path, monkeypatch):
    """An embedding in several pieces, as those of real models are: gather, head and logits."""
    weights = write_typed(tmp_path / "m.gguf", fixtures, name)
    rows, columns = weights["token_embd.weight"].shape
    piece_nbytes = KEPT[name].bits_per_weight / 8 * rows * columns / 3
    small = partial(plan_matrix, piece_nbytes=int(piece_nbytes))

    def plan(matrix, storage, shape):
        return (small if matrix == "model.embed_tokens" else plan_matrix)(matrix, storage, shape)

    monkeypatch.setattr(weight_plan, "plan_matrix", plan)
    build_site(tmp_path / "m.gguf", tmp_path / "site")
    program = open_site_model(tmp_path / "site").program()
    pieces = {b for b in program.buffers if b.startswith("model.embed_tokens@")}
    grids = {n: r for n, r in program.records.items() if n.startswith("model.embed_tokens.grid")}
    assert len(pieces) >= 3
    assert {record.buffer for record in grids.values()} == pieces
    check_site(tmp_path / "site", weights, name)
