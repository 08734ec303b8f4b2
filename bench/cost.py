"""What a token costs, by model and storage type, and the limits that follow for devices.

    python bench/cost.py

Every model is lowered from its shapes, as `webgemma build` lowers a file, and what its program
reads for a token is counted. Prints the table of docs/cost.md.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.support.programs import shape_checkpoint
from webgemma.architectures import lower
from webgemma.architectures.lowered import Lowered
from webgemma.build.sizes import matrices
from webgemma.errors import WebGemmaError

TYPES = ("F16", "Q8_0", "Q6_K", "Q4_K", "Q4_0", "Q3_K", "IQ2_XXS", "IQ1_S")
EMBEDDING = {"Q4_K": "Q6_K", "Q4_0": "Q6_K", "Q3_K": "Q6_K", "IQ2_XXS": "Q5_K", "IQ1_S": "Q5_K"}
"""Type of a file -> that of its embedding, which is the head too, as llama-quantize chooses it."""
CONTEXT = 8192
DEVICES = {  # makers' figures
    "phone, Adreno 750": 77,
    "integrated, Apple M1": 68,
    "integrated, Lunar Lake": 136,
    "discrete, RTX 3060": 360,
    "discrete, RTX 4090": 1008,
}
"""Device -> GB/s."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The numbers of a model's config.json."""

    family: str
    layers: int
    hidden: int
    intermediate: int
    heads: tuple[int, int, int]
    """Of queries, of keys, and the length of one."""
    vocab: int
    window: int = 0
    has_head: bool = False
    """A matrix of its own, not the embedding."""


MODELS = {
    "Gemma 2B": Shape("gemma", 18, 2048, 16384, (8, 1, 256), 256000),
    "Gemma 7B": Shape("gemma", 28, 3072, 24576, (16, 16, 256), 256000),
    "Gemma 2 2B": Shape("gemma2", 26, 2304, 9216, (8, 4, 256), 256000, window=4096),
    "Gemma 3 1B": Shape("gemma3", 26, 1152, 6912, (4, 1, 256), 262144, window=512),
    "Llama 3.1 8B": Shape("llama", 32, 4096, 14336, (32, 8, 128), 128256, has_head=True),
}


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one token of decode."""

    weights_nbytes: int
    multiply_adds: int
    dispatches: int
    windows: tuple[int, ...]
    """Of every layer, 0: all tokens."""
    cache_nbytes: int
    """A layer's keys and values of one token, f32."""

    def context_nbytes(self, context: int, part: float = 1.0) -> float:
        """Bytes of keys and values that a token behind `context` others reads, `part` of f32's."""
        seen = sum(min(window or context, context) for window in self.windows)
        return part * self.cache_nbytes * seen

    def ratio(self, part: float) -> float:
        """What it reads behind CONTEXT tokens, over what it reads behind 256."""
        behind, before = (self.context_nbytes(n, part) for n in (CONTEXT, 256))
        return (self.weights_nbytes + behind) / (self.weights_nbytes + before)


def lowered_shape(shape: Shape, kind: str) -> Lowered:
    """A model of this shape in a file of this type."""
    embedding = EMBEDDING.get(kind, kind)
    more = {"output.weight": (shape.vocab, shape.hidden)} if shape.has_head else {}
    checkpoint = shape_checkpoint(
        shape.family,
        {"token_embd": embedding, "output": embedding},
        default=kind,
        layers=shape.layers,
        hidden=shape.hidden,
        intermediate=shape.intermediate,
        heads=shape.heads,
        vocab=shape.vocab,
        more=more,
    )
    metadata = {**checkpoint.metadata, f"{shape.family}.context_length": CONTEXT}
    if shape.window:
        metadata[f"{shape.family}.attention.sliding_window"] = shape.window
    return lower(replace(checkpoint, metadata=metadata))


def cost_of(lowered: Lowered, shape: Shape) -> Cost:
    """Count what a program reads for a token: all matrices, but of an embedding a row."""
    read = [
        source.matrix
        for source in matrices(lowered)
        if not (shape.has_head and "embed" in source.matrix.name)
    ]
    steps = lowered.program.phases["decode"]
    windows = [
        s.kernel.rpartition(".w")[2] for s in steps if s.kernel.startswith("attention_split")
    ]
    return Cost(
        sum(matrix.nbytes for matrix in read),
        sum(matrix.rows * matrix.in_features for matrix in read),
        len(steps),
        tuple(int(window) for window in windows),
        lowered.cache_nbytes_per_token // shape.layers,
    )


def costs() -> Iterator[tuple[str, str, Cost]]:
    """(model, type, cost), where the model's rows divide into the type's blocks."""
    for name, shape in MODELS.items():
        for kind in TYPES:
            try:
                yield name, kind, cost_of(lowered_shape(shape, kind), shape)
            except WebGemmaError as error:
                print(f"{name} in {kind}: {error}", file=sys.stderr)


def main() -> None:
    """Print the tables."""
    print(
        "| model | type | weights read | multiply-adds | dispatches | a token of context, f16 |",
        end="",
    )
    print(
        f" behind {CONTEXT:,} : 256, f32 / f16 / q8 |", *(f" {name} |" for name in DEVICES), sep=""
    )
    print("|---" * (7 + len(DEVICES)) + "|")
    for model, kind, cost in costs():
        limits = (f"{gb * 1e9 / cost.weights_nbytes:.0f}" for gb in DEVICES.values())
        ratios = " / ".join(f"{cost.ratio(part):.2f}" for part in (1, 0.5, 0.28))
        cells = (
            model,
            kind,
            f"{cost.weights_nbytes / 1e6:,.0f} MB",
            f"{cost.multiply_adds / 1e9:.2f} G",
            cost.dispatches,
            f"{cost.cache_nbytes * len(cost.windows) / 2000:.0f} kB",
            ratios,
            *limits,
        )
        print("|", " | ".join(map(str, cells)), "|")


if __name__ == "__main__":
    main()
