"""The search for a machine's fastest choices, as a table and for later sessions to use."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from webgemma.bench.measure import check_repeat
from webgemma.progress import Progress, no_progress
from webgemma.runtime.session import open_session
from webgemma.runtime.tuner import Trial, findings_of, search
from webgemma.runtime.tuning import remember
from webgemma.table import format_table
from webgemma.version import __version__


@dataclass(frozen=True, slots=True)
class Tuned:
    """What was tried for a model on one adapter, and what was taken."""

    model: str
    variant: str
    adapter: str
    backend: str
    trials: tuple[Trial, ...]
    """In the order of the variant's groups and choices; a group's first is its default."""


def tune(
    site: str | Path,
    *,
    model: str | None = None,
    variant: str = "auto",
    limits: str = "browser",
    repeat: int = 5,
    progress: Progress = no_progress,
) -> Tuned:
    """Time every choice of a model's variant on this machine's adapter, and remember the best.

    Args:
        site: A site folder, or the folder of one of its models.
        model: The model's id; the first by default.
        variant: As `open_session` takes it.
        limits: As `open_session` takes it.
        repeat: A multiple of the rounds in which the choices of a group take turns.
        progress: Told the groups done, of all.

    Raises:
        ConfigError: there is no such model, or `repeat` is not positive.
        FormatError: files are damaged.
        GpuError: no adapter, or it lacks what the variant needs.
    """
    check_repeat(repeat)
    with open_session(site, model=model, variant=variant, limits=limits, tuned=False) as session:
        runner, opened = session.runner, session.model
        trials = search(runner, repeat=repeat, progress=progress)
        adapter = runner.device.adapter
        remember(opened.program_sha256, adapter, runner.variant, findings_of(trials))
        return Tuned(
            opened.manifest["name"],
            runner.variant.name,
            adapter.info["device"],
            adapter.info["backend_type"],
            tuple(trials),
        )


def as_json(tuned: Tuned) -> dict[str, Any]:
    """Everything, for scripts."""
    return {"tool": f"webgemma {__version__}", **asdict(tuned)}


def as_text(tuned: Tuned) -> str:
    """The adapter, and what was tried for every group."""
    machine = format_table(
        [
            ("model", f"{tuned.model}, variant {tuned.variant}"),
            ("adapter", f"{tuned.adapter} ({tuned.backend})"),
        ]
    )
    default = {trial.group: trial.seconds for trial in reversed(tuned.trials)}
    rows = [
        (
            trial.group,
            trial.choice,
            f"{1e3 * trial.seconds:.2f}",
            f"{trial.seconds / default[trial.group]:.2f}",
            "taken" if trial.taken else "",
        )
        for trial in tuned.trials
    ]
    header = ("kernels", "choice", "ms", "of the first", "")
    return f"{machine}\n\n{format_table(rows, header=header, right=(2, 3))}"
