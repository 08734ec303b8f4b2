"""The built-in model's graded prompts, through its own grading script."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

GRADE = Path(__file__).parents[2] / "models" / "pebble" / "grade.py"


def graded_prompts() -> list[dict[str, str]]:
    """The held-out prompts: {"id", "category", "prompt"} each."""
    done = subprocess.run(
        [sys.executable, GRADE, "--prompts"], capture_output=True, text=True, check=True
    )
    prompts: list[dict[str, str]] = json.loads(done.stdout)
    return prompts


def grade(replies: list[dict[str, str]], folder: Path) -> tuple[bool, str]:
    """(whether the bar is met, the table) of {"id", "reply"} rows."""
    path = folder / "replies.json"
    path.write_text(json.dumps(replies), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, GRADE, "--replies", path], capture_output=True, text=True, check=False
    )
    return done.returncode == 0, done.stdout + done.stderr
