"""The command's figures on the built-in model, against a float64 evaluation of the same weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import pebble_gguf
from tests.support.pebble_text import evaluate_exactly, write_held_out
from webgemma.build import build_site
from webgemma.evaluate import evaluate

pytestmark = pytest.mark.gpu

CONTEXT, CHUNKS = 128, 8
KINDS = ("F16", "Q4_0")


@pytest.mark.slow
def test_figures_are_those_of_a_float64_evaluation(tmp_path: Path) -> None:
    text = write_held_out(tmp_path / "held-out.txt", 40)
    files = pebble_gguf.quantized(KINDS)
    for kind, tensors in files.items():
        build_site(pebble_gguf.write(tmp_path / f"{kind}.gguf", tensors), tmp_path / kind)
    got = evaluate(
        [tmp_path / "Q4_0"],
        text,
        reference=tmp_path / "F16",
        context=CONTEXT,
        most_chunks=CHUNKS,
        control_tokens=True,
        variant="f32",
    )
    assert got.chunks.tokens.shape == (CHUNKS, CONTEXT)
    exact = {k: evaluate_exactly(pebble_gguf.decoded(t), got.chunks) for k, t in files.items()}
    assert got.reference
    for result in (got.reference, *got.results):
        expected = exact[result.label].perplexity
        print(f"{result.label}: perplexity {result.perplexity.value:.5f}, exactly {expected:.5f}")
        assert result.perplexity.value == pytest.approx(expected, rel=5e-4)
    divergence = got.results[0].divergence
    assert divergence
    expected = exact["Q4_0"].mean_kl(exact["F16"])
    print(f"KL {divergence.mean.value:.6f}, exactly {expected:.6f}")
    assert divergence.mean.value == pytest.approx(expected, rel=0.01)
    assert divergence.same_top.value == pytest.approx(
        exact["Q4_0"].same_top(exact["F16"]), abs=0.002
    )
