"""What lowering a checkpoint gives: the program, its shaders, and which tensors go where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from webgemma.architectures.run_quantization import RunQuantization
from webgemma.architectures.weights import MatrixSource, VectorSource
from webgemma.program.spec import Program


@dataclass(frozen=True, slots=True)
class Lowered:
    """A model, ready to be stored and written."""

    program: Program
    shaders: Mapping[str, str]
    """File -> WGSL text."""
    sources: tuple[MatrixSource | VectorSource, ...]
    """In the order they are stored."""
    run_quantization: RunQuantization
    cache_nbytes_per_token: int
    """Of the key and value caches, all layers; f32 where they are not quantized."""
    requantized: Mapping[str, int]
    """Source type that is not of floats -> how many tensors of it get another type."""
    config: Mapping[str, int | float | str]
    """What the model is, for people to read, under Hugging Face's names."""
