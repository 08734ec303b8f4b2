"""A decoder under construction: its buffers, weights and finished program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from webgemma.architectures.decoder.cache import Cache
from webgemma.architectures.decoder.config import DecoderConfig
from webgemma.architectures.lowered import Lowered
from webgemma.architectures.run_quantization import RunQuantization
from webgemma.architectures.weights import WeightPlan, adjacent_groups, all_rows, check_heads
from webgemma.program.builder import ProgramBuilder, Scratch
from webgemma.program.check import BINDING_NBYTES
from webgemma.program.spec import Range
from webgemma.storage.layout import Matrix

GENERATED_RING = 64
LOGITS_NBYTES = 32 << 20  # of one batch of rows that Session.logits reads back


@dataclass(slots=True)
class Decoder:
    """A program under construction, with the buffers all layers share."""

    config: DecoderConfig
    plan: WeightPlan
    run_quantization: RunQuantization
    builder: ProgramBuilder = field(default_factory=ProgramBuilder)

    def __post_init__(self) -> None:
        """Declare the buffers every decoder has."""
        c, b = self.config, self.builder
        check_heads(
            self.plan.checkpoint.path, c.num_attention_heads, c.num_key_value_heads, c.head_dim
        )
        b.buffer("tokens", "input", 4 * c.prefill_chunk_size)
        b.buffer("generated", "output", 4 * GENERATED_RING)
        b.buffer("next_logits", "output", 4 * c.vocab_size)
        b.buffer("logits", "output", 4 * c.vocab_size * self.logits_chunk_size)
        nbytes = f"context_window_size * {self.rope_nbytes}"
        for name, factors in c.rope_factors.items():
            b.buffer(name, "table", nbytes, {"op": "cos_sin", "factors": list(factors)})

    @property
    def cache(self) -> Cache:
        """How the keys of a layer are kept, and its values."""
        c = self.config
        return Cache(self.run_quantization.cache, c.num_key_value_heads, c.head_dim)

    @property
    def rope_nbytes(self) -> int:
        """Of a position in a table of rotations: f32 (cos, sin) per pair."""
        return 4 * self.config.head_dim

    @property
    def max_context_window_size(self) -> int:
        """The model's longest context, or what a binding holds of a layer's keys and rotations."""
        most = BINDING_NBYTES // max(self.cache.token_nbytes, self.rope_nbytes)
        return min(self.config.max_position_embeddings, most)

    @property
    def logits_chunk_size(self) -> int:
        """Rows of one call of phase `logits`."""
        c = self.config
        return max(1, min(c.prefill_chunk_size, LOGITS_NBYTES // (4 * c.vocab_size)))

    def rows(self, name: str, columns: int) -> Scratch:
        """A scratch tensor f32 [prefill_chunk_size, columns]."""
        return self.builder.scratch(name, 4 * columns * self.config.prefill_chunk_size)

    def row(self, name: str, columns: int) -> Scratch:
        """A scratch tensor f32 [columns] of decode."""
        return self.builder.scratch(name, 4 * columns)

    @property
    def x(self) -> Scratch:
        """The residual stream f32 [prefill_chunk_size, hidden_size]; decode uses row 0."""
        return self.rows("x", self.config.hidden_size)

    def norm(
        self, name: str, ours: str, layer: int | None, add: float, length: int | None = None
    ) -> Range:
        """A norm's gain f32 [length, by default hidden_size], `add` added to what is stored.

        Gemma's checkpoints store gain - 1; where they store gains, nothing is added.
        """
        length = length or self.config.hidden_size
        tensor = self.plan.tensor(ours, (length,), layer)
        self.plan.vector(name, tensor, 0.0 if self.plan.checkpoint.stores_gains else add)
        return self.builder.vector(name, length)

    def matrix(
        self,
        name: str,
        ours: tuple[str, ...],
        rows: tuple[int, ...],
        k: int,
        layer: int,
    ) -> list[tuple[tuple[int, ...], Matrix]]:
        """Stack tensors into as few matrices as their types allow: [(indices of ours, matrix)]."""
        tensors = tuple(self.plan.tensor(o, (n, k), layer) for o, n in zip(ours, rows, strict=True))
        stacked = []
        for group in adjacent_groups(self.plan, tensors):
            suffix = "" if len(group) == len(ours) else "." + "_".join(ours[i] for i in group)
            matrix = self.plan.matrix(name + suffix, tuple(all_rows(tensors[i]) for i in group))
            self.builder.weights(matrix)
            stacked.append((tuple(group), matrix))
        return stacked

    def tied_head(self) -> tuple[str, ...]:
        """Names of a stored copy of the embedding, which a tied head does not need."""
        return ("lm_head.weight",) if self.plan.checkpoint.format != "gguf" else ()

    def finish(self, architecture: str, image: Mapping[str, Any] | None = None) -> Lowered:
        """The finished program, with its shaders and sources; `image` is what it says of images."""
        c = self.config
        program = self.builder.finish(
            architecture=architecture,
            prefill_chunk_size=c.prefill_chunk_size,
            logits_chunk_size=self.logits_chunk_size,
            vocab_size=c.vocab_size,
            max_context_window_size=self.max_context_window_size,
            generated_ring_size=GENERATED_RING,
            num_hidden_layers=c.num_hidden_layers,
            image=image,
        )
        per_layer = 2 * self.cache.token_nbytes  # keys and values
        return Lowered(
            program,
            self.builder.shaders,
            tuple(self.plan.sources),
            self.run_quantization,
            per_layer * c.num_hidden_layers,
            dict(sorted(self.plan.requantized.items())),
            c.described(),
        )
