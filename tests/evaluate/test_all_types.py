"""The built-in model in types from IQ1_S to Q8_0, on 20,480 tokens, against two judges.

A float64 evaluation of the decoded weights, and llama.cpp. WEBGEMMA_LONG=1 runs it; on two cores it
takes half an hour. WEBGEMMA_TYPES="Q4_K IQ2_S" chooses the types, WEBGEMMA_CHUNKS=4 a part
of the text.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tests.support import llama, pebble_gguf
from tests.support.pebble_text import Exact, evaluate_exactly, write_held_out
from webgemma.build import build_site
from webgemma.evaluate import evaluate
from webgemma.evaluate.evaluate import Result
from webgemma.evaluate.report import as_text

pytestmark = [pytest.mark.gpu, pytest.mark.long, pytest.mark.timeout(4 * 3600)]

CONTEXT, EXCHANGES = 512, 640
CHUNKS = int(os.environ.get("WEBGEMMA_CHUNKS", "40"))
TYPES = "Q8_0 Q6_K Q5_K Q4_K Q4_0 IQ4_XS Q3_K IQ3_XXS Q2_K IQ2_XS IQ2_XXS IQ1_M IQ1_S"
OWN_PERPLEXITY = 5e-4  # of the float64 evaluation's
LLAMA_PERPLEXITY = 5e-3  # of llama.cpp's, which reads GELU from a table of halves
OWN_KL = 0.01


def test_every_type_against_float64_and_llama_cpp(tmp_path: Path) -> None:
    if reason := llama.why_not():
        pytest.fail(reason, pytrace=False)
    kinds = os.environ.get("WEBGEMMA_TYPES", TYPES).split()
    text = write_held_out(tmp_path / "held-out.txt", EXCHANGES)
    files = pebble_gguf.quantized(["F16", *kinds])
    for kind, tensors in files.items():
        build_site(pebble_gguf.write(tmp_path / f"{kind}.gguf", tensors), tmp_path / kind)
    got = evaluate(
        [tmp_path / kind for kind in kinds],
        text,
        reference=tmp_path / "F16",
        context=CONTEXT,
        most_chunks=CHUNKS,
        control_tokens=True,
        variant="f32",
    )
    print("\n" + as_text(got))
    assert got.chunks.tokens.shape == (CHUNKS, CONTEXT)
    reference = evaluate_exactly(pebble_gguf.decoded(files["F16"]), got.chunks)
    for result in got.results:
        exact = evaluate_exactly(pebble_gguf.decoded(files[result.label]), got.chunks)
        check(result, exact, reference, tmp_path / f"{result.label}.gguf", text)


def check(result: Result, exact: Exact, reference: Exact, model: Path, text: Path) -> None:
    """Compare one model's figures with both judges'."""
    _, surprisals = llama.surprisals(model, text, context=CONTEXT, most_chunks=CHUNKS)
    theirs = float(np.exp(surprisals.mean()))
    mine, kl = result.perplexity.value, exact.mean_kl(reference)
    assert result.divergence
    print(
        f"{result.label}: perplexity {mine:.4f}, float64 {exact.perplexity:.4f}, llama.cpp "
        f"{theirs:.4f}; KL {result.divergence.mean.value:.6f}, float64 {kl:.6f}"
    )
    assert mine == pytest.approx(exact.perplexity, rel=OWN_PERPLEXITY)
    assert mine == pytest.approx(theirs, rel=LLAMA_PERPLEXITY)
    assert result.divergence.mean.value == pytest.approx(kl, rel=OWN_KL)
    assert result.divergence.same_top.value == pytest.approx(exact.same_top(reference), abs=0.001)
