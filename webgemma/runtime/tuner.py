"""Times a variant's choices on this machine. Twin: web/runtime/tuner.js, which has 300 ms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from webgemma.program.choices import Choice
from webgemma.program.spec import Timed
from webgemma.progress import Progress, no_progress
from webgemma.runtime.runner import Runner
from webgemma.runtime.timing import Record, best_seconds, record_steps
from webgemma.runtime.tuning import FASTER, Findings, choice_name

ROUNDS = 4  # the least of so many counts, for each repetition


@dataclass(frozen=True, slots=True)
class Trial:
    """One choice of one group."""

    group: str
    choice: str
    """Its name."""
    seconds: float
    """Of the steps that stand for the group."""
    taken: bool


def search(
    runner: Runner,
    *,
    repeat: int = 5,
    progress: Progress = no_progress,
) -> list[Trial]:
    """Time all choices of the runner's variant; those of a group in turn, the best of each counts.

    What the steps compute is nonsense: start a new conversation afterwards.

    Args:
        runner: Its weights need not be there: time does not depend on them.
        repeat: ROUNDS rounds each.
        progress: Told the groups done, of all.
    """
    groups = [
        (group, timed, runner.variant.tuning[group])
        for group, timed in runner.program.tuning.items()
        if group in runner.variant.tuning
    ]
    trials = []
    for done, (group, timed, choices) in enumerate(groups, 1):
        records = [record_choice(runner, timed, choice) for choice in choices]
        symbols = {name: runner.size(size) for name, size in timed.symbols.items()}
        runner.write_state({**symbols, "num_generated": 0})
        times = best_seconds(runner.device, records, repeat=ROUNDS * repeat)
        taken = pick(times)
        trials += [
            Trial(group, choice_name(choice), seconds, i == taken)
            for i, (choice, seconds) in enumerate(zip(choices, times, strict=True))
        ]
        progress("tuning", done, len(groups))
    return trials


def record_choice(runner: Runner, timed: Timed, choice: Choice) -> Record:
    """The steps that stand for a group, compiled and dispatched as a choice has them."""
    bound = [runner.steps[timed.phase][number] for number in timed.steps]
    names = {step.kernel for step, _, _ in bound}
    pipelines = {name: runner.pipelines.get(name, **choice) for name in names}
    symbols = {name: runner.size(size) for name, size in timed.symbols.items()}
    return record_steps(
        [(step, pipelines[step.kernel], group) for step, _, group in bound],
        {**runner.symbols, **symbols, **choice},
    )


def pick(times: Sequence[float]) -> int:
    """The choice to take: the fastest if it is clearly faster than the first, else the first."""
    best = min(range(len(times)), key=times.__getitem__)
    return best if times[best] < FASTER * times[0] else 0


def findings_of(trials: Sequence[Trial]) -> Findings:
    """What is remembered of a search."""
    return {
        group: {
            "taken": next(t.choice for t in trials if t.group == group and t.taken),
            "tried": [t.choice for t in trials if t.group == group],
        }
        for group in dict.fromkeys(trial.group for trial in trials)
    }
