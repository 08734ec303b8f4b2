"""Text of Pebble's world that it was not trained on, and its exact evaluation."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.support import gemma2_float64
from tests.support.golden import log_softmax
from webgemma.evaluate.text import Chunks

SCRIPT = Path(__file__).parents[2] / "models" / "pebble" / "held_out.py"
Array = NDArray[np.float64]


def write_held_out(path: Path, exchanges: int) -> Path:
    """Write the text of so many exchanges; 100 are about 5,600 tokens."""
    command = [sys.executable, SCRIPT, "--exchanges", str(exchanges)]
    done = subprocess.run(command, capture_output=True, check=True)
    path.write_bytes(done.stdout)
    return path


@dataclass(frozen=True, slots=True)
class Exact:
    """What a model with these weights predicts, in float64."""

    log_probabilities: Array
    """[n, vocab_size] at the scored positions."""
    perplexity: float

    def mean_kl(self, reference: Exact) -> float:
        """The mean divergence from the reference."""
        p, q = reference.log_probabilities, self.log_probabilities
        return float((np.exp(p) * (p - q)).sum(axis=-1).mean())

    def same_top(self, reference: Exact) -> float:
        """The share of positions with the reference's likeliest token."""
        p, q = reference.log_probabilities, self.log_probabilities
        return float((p.argmax(axis=-1) == q.argmax(axis=-1)).mean())


def evaluate_exactly(weights: Mapping[str, Array], chunks: Chunks) -> Exact:
    """Evaluate Pebble with weights by GGUF's names."""
    rows, values = [], []
    for tokens in chunks.tokens:
        logits = gemma2_float64.logits(weights, tokens, gemma2_float64.Shape())
        scored = log_softmax(logits[len(tokens) // 2 : -1])
        following = tokens[len(tokens) // 2 + 1 :]
        rows.append(scored)
        values.append(-scored[np.arange(len(following)), following])
    return Exact(np.concatenate(rows), float(np.exp(np.concatenate(values).mean())))
