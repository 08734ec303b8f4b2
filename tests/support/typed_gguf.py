"""The first layer of a Gemma 2 fixture, its matrices made into one of llama.cpp's types."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType
from gguf.quants import dequantize, quantize
from numpy.typing import NDArray

from tests.support import gemma2_float64
from tests.support.make_gguf import TensorData, read_back, write_gguf
from tests.support.weights import QUANTIZABLE, blocks_like

NAME = "gemma2-F16"  # whose numbers are made into each type
SHAPE = gemma2_float64.Shape(num_hidden_layers=1, sliding_window=64)


def write_typed(path: Path, fixtures: Path, name: str) -> dict[str, NDArray[np.float64]]:
    """Write the model with all matrices in type `name`; returns the weights it stands for."""
    architecture, metadata, tensors = read_back(fixtures / f"{NAME}.gguf")
    metadata[f"{architecture}.block_count"] = SHAPE.num_hidden_layers
    rng = np.random.default_rng(5)
    kept: dict[str, TensorData] = {}
    weights = {}
    for key, tensor in tensors.items():
        assert not isinstance(tensor, tuple), f"{key} is not of floats"
        if key.startswith(("blk.1.", "blk.2.")):
            continue
        kept[key] = tensor
        weights[key] = tensor.astype(np.float64)
        if tensor.ndim == 2:
            blocks = _blocks(tensor.astype(np.float32), name, rng)
            kept[key] = (name, blocks)
            weights[key] = dequantize(blocks, GGMLQuantizationType[name]).astype(np.float64)
    write_gguf(path, architecture, metadata, kept)
    return weights


def _blocks(values: NDArray[np.float32], name: str, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Blocks [rows, row_nbytes] that are near a matrix's values, or random ones of their size."""
    if name in QUANTIZABLE:
        return quantize(values, GGMLQuantizationType[name])
    return blocks_like(name, values, rng)
