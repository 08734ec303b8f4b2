"""The static memory plan: no overlap of the living, no aliasing, little waste."""

from __future__ import annotations

import random

from webgemma.program.plan import Use, plan_scratch


def check_plan(sizes, uses):
    """Assert what a plan promises; returns the arenas."""
    placed, arenas = plan_scratch(sizes, uses)
    lives = {
        name: [i for i, use in enumerate(uses) if name in (*use.reads, *use.writes)]
        for name in placed
    }
    for a, place in placed.items():
        assert place.offset % 256 == 0
        assert place.offset + sizes[a] <= arenas[place.arena]
        for b, other in placed.items():
            if a >= b or place.arena != other.arena:
                continue
            together = lives[a][0] <= lives[b][-1] and lives[b][0] <= lives[a][-1]
            apart = (
                place.offset + sizes[a] <= other.offset or other.offset + sizes[b] <= place.offset
            )
            assert apart or not together, (a, b)
    for use in uses:
        for written in use.writes:
            others = {*use.reads, *use.writes} - {written}
            assert all(placed[o].arena != placed[written].arena for o in others)
    return arenas


def test_disjoint_lives_share_memory():
    uses = [Use((), ("a",)), Use(("a",), ("b",)), Use(("b",), ("c",)), Use(("c",), ("d",))]
    arenas = check_plan(dict.fromkeys("abcd", 1000), uses)
    assert sorted(arenas) == [1024, 1024]


def test_read_and_write_in_one_step_go_apart():
    assert len(check_plan({"a": 10, "b": 10}, [Use(("a",), ("b",))])) == 2


def test_random_programs():
    rng = random.Random(0)
    for _ in range(200):
        names = [f"t{i}" for i in range(rng.randint(1, 12))]
        sizes = {name: rng.randint(1, 5000) for name in names}
        uses = []
        for _ in range(rng.randint(1, 30)):
            picked = rng.sample(names, min(len(names), rng.randint(1, 4)))
            cut = rng.randint(0, len(picked))
            uses.append(Use(tuple(picked[:cut]), tuple(picked[cut:])))
        check_plan(sizes, uses)
