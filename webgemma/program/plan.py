"""Static memory: where scratch tensors lie, decided once at build time.

Every scratch tensor lives from the first to the last step that binds it. Tensors with disjoint
lives share memory. WebGPU refuses a dispatch that binds one buffer both writable and otherwise,
even for disjoint ranges, so two tensors that one step binds, one of them writable, go into
different arenas (buffers).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

OFFSET_ALIGNMENT = 256  # minStorageBufferOffsetAlignment's default


@dataclass(frozen=True, slots=True)
class Use:
    """The scratch tensors one step binds."""

    reads: tuple[str, ...]
    writes: tuple[str, ...]


@dataclass(slots=True)
class _Life:
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Placement:
    """A scratch tensor's arena and byte offset."""

    arena: int
    offset: int


def plan_scratch(
    sizes: Mapping[str, int], uses: Sequence[Use]
) -> tuple[dict[str, Placement], list[int]]:
    """Place scratch tensors in as few bytes as a first fit finds.

    Args:
        sizes: Bytes of each tensor.
        uses: What each step binds, in the order steps run.

    Returns:
        (the place of each tensor, the size of each arena in bytes)
    """
    lives = _lives(uses)
    rivals = _rivals(uses)
    placed: dict[str, Placement] = {}
    arenas: list[int] = []
    for name in sorted(lives, key=lambda n: (-sizes[n], lives[n].first, n)):
        arena = _choose_arena(name, rivals, placed, len(arenas))
        neighbours = sorted(
            (placed[other].offset, sizes[other])
            for other in placed
            if placed[other].arena == arena and _overlap(lives[name], lives[other])
        )
        offset = _first_gap(neighbours, sizes[name])
        placed[name] = Placement(arena, offset)
        if arena == len(arenas):
            arenas.append(0)
        arenas[arena] = max(arenas[arena], offset + _aligned(sizes[name]))
    return placed, arenas


def _lives(uses: Sequence[Use]) -> dict[str, _Life]:
    lives: dict[str, _Life] = {}
    for step, use in enumerate(uses):
        for name in (*use.reads, *use.writes):
            lives.setdefault(name, _Life(step, step)).last = step
    return lives


def _rivals(uses: Sequence[Use]) -> dict[str, set[str]]:
    """For each tensor, those that some step binds beside it with either one writable."""
    rivals: dict[str, set[str]] = {}
    for use in uses:
        for written in use.writes:
            for other in (*use.reads, *use.writes):
                if other != written:
                    rivals.setdefault(written, set()).add(other)
                    rivals.setdefault(other, set()).add(written)
    return rivals


def _choose_arena(
    name: str, rivals: Mapping[str, set[str]], placed: Mapping[str, Placement], num_arenas: int
) -> int:
    taken = {placed[rival].arena for rival in rivals.get(name, ()) if rival in placed}
    return next(arena for arena in range(num_arenas + 1) if arena not in taken)


def _overlap(a: _Life, b: _Life) -> bool:
    return a.first <= b.last and b.first <= a.last


def _first_gap(neighbours: Sequence[tuple[int, int]], nbytes: int) -> int:
    """The lowest aligned offset where `nbytes` fit between sorted (offset, nbytes) neighbours."""
    offset = 0
    for start, size in neighbours:
        if offset + nbytes <= start:
            break
        offset = max(offset, _aligned(start + size))
    return offset


def _aligned(nbytes: int) -> int:
    return -(-nbytes // OFFSET_ALIGNMENT) * OFFSET_ALIGNMENT
