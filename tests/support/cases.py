"""Which storage types meet which cases of a kernel: every type some, a few types all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from webgemma.storage.registry import STORAGE_TYPES

FEW = ("f32", "q4_0", "q6_k", "iq2_s")
"""Floats; pairs of groups in one load; planes of several widths; a shared plane."""


def spread(
    variants: Sequence[str], cases: Sequence[tuple[Any, ...]]
) -> list[tuple[str, str, *tuple[Any, ...]]]:
    """(variant, storage, *case): all of them for FEW, one in turn for every other type.

    A kernel meets weights through decode8 and dot32 alone, and tests/shaders/test_storage_types.py
    reads every weight of every type through them, so the rest of a kernel needs a few types only.
    """
    others = [name for name in STORAGE_TYPES if name not in FEW]
    every = [(variant, *case) for variant in variants for case in cases]
    step = len(cases) + 1  # goes on to the next variant and the next case
    return [
        *((variant, name, *case) for name in FEW for variant, *case in every),
        *(
            (variant, name, *case)
            for i, name in enumerate(others)
            for variant, *case in [every[i * step % len(every)]]
        ),
    ]


def rotate(values: Sequence[Any], shapes: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """(*shape, value): every value with one shape, every shape with some value."""
    count = max(len(values), len(shapes))
    return [(*shapes[i % len(shapes)], values[i % len(values)]) for i in range(count)]
