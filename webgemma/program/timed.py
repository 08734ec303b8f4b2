"""Which steps of a program stand for a group of kernels when a tuner times its choices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from webgemma.program.expr import evaluate, names
from webgemma.program.spec import VARIANTS, Buffer, Kernel, Size, Step, Timed

MOST_STEPS = 8
"""Of different layers, so that a processor's cache does not hold what they read."""
CALLS: Mapping[str, Mapping[str, Size]] = {
    "decode": {"num_tokens": 1, "position": "min(context_window_size, 1024) - 1"},
    "prefill": {"num_tokens": "min(context_window_size, 64)", "position": 0},
}
"""Phases that are timed, in the order they are looked at, and the call of each: as long a context
as attention's share is worth measuring at, as many tokens as software adapters do in a moment."""


def timed_groups(
    phases: Mapping[str, Sequence[Step]],
    kernels: Mapping[str, Kernel],
    buffers: Mapping[str, Buffer],
) -> dict[str, Timed]:
    """What to time of every group that the variants can tune and the program has kernels of."""
    symbols: dict[str, set[str]] = {}
    for variant in VARIANTS:
        for group, choices in variant.tuning.items():
            symbols.setdefault(group, set()).update(choices[0])
    found = {group: _timed(words, phases, kernels, buffers) for group, words in symbols.items()}
    return {group: timed for group, timed in found.items() if timed is not None}


def _timed(
    symbols: set[str],
    phases: Mapping[str, Sequence[Step]],
    kernels: Mapping[str, Kernel],
    buffers: Mapping[str, Buffer],
) -> Timed | None:
    tuned = {
        name
        for name, kernel in kernels.items()
        if any(symbols & names(size) for size in kernel.constants.values())
    }
    for phase, call in CALLS.items():
        steps = phases.get(phase, ())
        numbers = [number for number, step in enumerate(steps) if step.kernel in tuned]
        if numbers:
            return Timed(phase, tuple(_heaviest(numbers, steps, buffers)[:MOST_STEPS]), call)
    return None


def _heaviest(
    numbers: list[int], steps: Sequence[Step], buffers: Mapping[str, Buffer]
) -> list[int]:
    """Those of the kernel that reads most of matrices; all of them where none reads any."""
    nbytes: Counter[str] = Counter()
    for number in numbers:
        bound = [buffers[b.buffer] for b in steps[number].bindings]
        matrices = (evaluate(b.nbytes, {}) for b in bound if b.kind == "matrix")
        nbytes[steps[number].kernel] += sum(matrices)
    ((kernel, most),) = nbytes.most_common(1)
    return [n for n in numbers if steps[n].kernel == kernel] if most else numbers
