"""How much memory a program takes: the sizes of its own buffers, summed as the runners make them.

The twin of web/runtime/memory.js; both pass tests/cases/memory.json.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from webgemma.program.spec import WEIGHTS, Program, Variant

PARALLEL_SHARDS = 3
"""Shards in flight in the browser; web/runtime/shards.js has the same number."""
COPIES = 2
"""Of a shard in flight: the bytes that arrived, and those the GPU has not yet taken over."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that a model takes at one context, in one variant."""

    weights_nbytes: int
    cache_nbytes: int
    scratch_nbytes: int
    """All other buffers: scratch, tables, logits, state."""
    loading_nbytes: int
    """What is on its way while the buffers are there already: shards, and before them tables."""

    @property
    def total_nbytes(self) -> int:
        """GPU buffers of a loaded model."""
        return self.weights_nbytes + self.cache_nbytes + self.scratch_nbytes

    @property
    def peak_nbytes(self) -> int:
        """The most there is at any time: while tables or shards are on their way."""
        return self.total_nbytes + self.loading_nbytes


def measure_memory(
    program: Program,
    variant: Variant,
    context_window_size: int,
    shard_nbytes: Iterable[int],
    *,
    parallel: int = PARALLEL_SHARDS,
) -> Memory:
    """The memory of a program.

    Args:
        program: The program.
        variant: Whose symbols count: caches that are not quantized are f16 or f32.
        context_window_size: Tokens the caches hold.
        shard_nbytes: The size of every shard.
        parallel: Shards in flight at a time; the native runner takes one after another.
    """
    symbols = {**variant.symbols, "context_window_size": context_window_size}
    kinds: Counter[str] = Counter()
    tables = 0
    for buffer in program.buffers.values():
        nbytes = buffer.allocated_nbytes(variant, symbols)
        kinds[buffer.kind] += nbytes
        tables += nbytes if buffer.init is not None else 0
    weights, cache = sum(kinds.pop(kind, 0) for kind in WEIGHTS), kinds.pop("cache", 0)
    in_flight = sorted(shard_nbytes, reverse=True)[:parallel]
    loading = max(tables, COPIES * sum(in_flight))
    return Memory(weights, cache, kinds.total(), loading)


def plain_variants(program: Program) -> dict[str, Variant]:
    """The variants whose buffers differ in size, by name: f16 caches or f32 ones, textures.

    Of those that allocate the same it is the last, which needs the fewest features.
    """
    most = program.max_context_window_size
    alike = {measure_memory(program, v, most, ()): v for v in program.variants}
    return {variant.name: variant for variant in alike.values()}
