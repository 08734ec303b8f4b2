"""The built-in model that sees: whether its weights are there, and its own grading script."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
untrained = pytest.mark.xfail(
    not (ROOT / "models/opal/checkpoint/config.json").is_file(),
    reason="models/opal/checkpoint holds no weights yet",
)
"""For tests of the weights: where there are none, their failure is shown and expected."""


def grade(*arguments: str | Path) -> tuple[bool, str]:
    """(whether the bar is met, the table) of models/opal/grade.py."""
    done = subprocess.run(
        [sys.executable, "-m", "models.opal.grade", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode == 0, done.stdout + done.stderr
