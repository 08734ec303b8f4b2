"""A whole GGUF file in each of llama.cpp's types, built and run, against float64."""

from __future__ import annotations

import numpy as np
import pytest
from gguf import GGMLQuantizationType
from gguf.quants import dequantize, quantize

from tests.support import gemma2_float64
from tests.support.golden import check_argmax
from tests.support.make_gguf import read_back, write_gguf
from tests.support.weights import QUANTIZABLE, blocks_like
from webgemma.build import build_site
from webgemma.runtime.session import open_session
from webgemma.storage.registry import KEPT

pytestmark = pytest.mark.gpu

NAME = "gemma2-F16"  # whose numbers are made into each type
SHAPE = gemma2_float64.Shape(num_hidden_layers=1, sliding_window=64)
NUM_TOKENS, NUM_PRODUCED = 40, 8
TOLERANCE = 1e-3
TYPES = [name for name in KEPT if name not in ("F32", "F16")]


def convert(values, name, rng):
    """(`name`, blocks [rows, row_nbytes] that are near a matrix's values, or random ones)."""
    values = values.astype(np.float32)
    if name in QUANTIZABLE:
        return name, quantize(values, GGMLQuantizationType[name])
    return name, blocks_like(name, values, rng)


@pytest.fixture(scope="module")
def source(fixtures):
    """(architecture, metadata, tensors) of the fixture's first layer."""
    architecture, metadata, tensors = read_back(fixtures / f"{NAME}.gguf")
    metadata[f"{architecture}.block_count"] = SHAPE.num_hidden_layers
    kept = {n: t for n, t in tensors.items() if not n.startswith(("blk.1.", "blk.2."))}
    return architecture, metadata, kept


@pytest.mark.parametrize("name", TYPES)
def test_logits_and_tokens(name, source, tmp_path):
    """Prefill's logits at every position, then what decode picks, greedily."""
    architecture, metadata, floats = source
    rng = np.random.default_rng(5)
    tensors = {n: t if t.ndim == 1 else convert(t, name, rng) for n, t in floats.items()}
    build_site(write_gguf(tmp_path / "m.gguf", architecture, metadata, tensors), tmp_path / "site")
    kind = GGMLQuantizationType[name]
    weights = {
        n: (dequantize(t[1], kind) if isinstance(t, tuple) else t).astype(np.float64)
        for n, t in tensors.items()
    }
    tokens = np.random.default_rng(6).integers(0, 1024, NUM_TOKENS).tolist()
    with open_session(tmp_path / "site", variant="f32") as session:
        logits = session.logits(tokens)
        steps = session.token_steps(tokens, NUM_PRODUCED, {"temperature": 0.0, "num_generated": 0})
        produced = [token for step in steps for token in step]
    expected = gemma2_float64.logits(weights, np.array(tokens + produced), SHAPE)
    difference = np.abs(logits - expected[:NUM_TOKENS]).max()
    picked = np.eye(expected.shape[1])[produced]
    skipped = check_argmax(picked, expected[NUM_TOKENS - 1 : -1], TOLERANCE)
    print(f"{name}: maxdiff {difference:.2e}, skipped {skipped} of {len(produced)}")
    assert difference <= TOLERANCE
    assert len(produced) == NUM_PRODUCED
    assert skipped < NUM_PRODUCED / 2
