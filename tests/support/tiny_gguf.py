"""A small GGUF file of any family, F16 and seeded: enough to compare two runners."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.support.make_gguf import write_gguf
from tests.support.programs import shape_checkpoint
from tests.support.reference_gguf import vocabulary_of
from tests.support.reference_models import VOCAB


def write_tiny_gguf(path: Path, family: str, tokenizer: Path, *, layers: int = 3) -> Path:
    """Write it: gains near 1, weights of deviation 1/sqrt(columns), sharper queries."""
    shapes = shape_checkpoint(family, {}, layers=layers, vocab=VOCAB)
    rng = np.random.default_rng(0)
    tensors = {}
    for name, tensor in shapes.tensors.items():
        values = rng.standard_normal(tensor.shape).astype(np.float32)
        if len(tensor.shape) == 1:
            tensors[name] = 1 + 0.1 * values
        else:
            scale = (3 if "attn_q" in name else 1) / tensor.shape[1] ** 0.5
            tensors[name] = (scale * values).astype(np.float16)
    metadata = {**shapes.metadata, **vocabulary_of(tokenizer, VOCAB)}
    return write_gguf(path, family, metadata, tensors)
