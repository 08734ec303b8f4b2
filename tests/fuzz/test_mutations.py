"""Damaged model files are refused in one line, or give the bytes they hold: nothing else.

By default a slice of the cases runs; WEBGEMMA_FUZZ=full runs all 10,000. A case is named by its
subject and number and can be run again alone: python -m tests.fuzz.worker SUBJECT N N+1.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.fuzz.subjects import SUBJECTS

ROOT = Path(__file__).parent.parent.parent
SLICE = 0.15
"""The part of the cases that runs by default."""


def run_worker(name: str, count: int) -> list[tuple[int, str, str]]:
    """Run a subject's first cases in a child: [(case, outcome, message)]."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.worker", name, "0", str(count)],
        cwd=ROOT,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=60 + 2 * count,
        check=False,
    )
    reports = [tuple(json.loads(line)) for line in done.stdout.splitlines()]
    assert done.returncode == 0, (
        f"case {len(reports)} of {name} ended the child with {done.returncode} "
        f"(-14: it took over two seconds): {done.stderr[-2_000:]}"
    )
    return reports


@pytest.mark.parametrize("name", SUBJECTS)
def test_damaged_files(name: str) -> None:
    share = SUBJECTS[name].share
    count = share if os.environ.get("WEBGEMMA_FUZZ") == "full" else int(share * SLICE)
    reports = run_worker(name, count)
    assert [case for case, _, _ in reports] == list(range(count))
    outcomes = Counter(outcome for _, outcome, _ in reports)
    print(f"{name}: {count} cases: {dict(outcomes)}")
    bugs = [report for report in reports if report[1] == "bug"]
    assert not bugs, "\n".join(f"case {case}: {message}" for case, _, message in bugs[:5])
    assert outcomes["refused"] > count // 3, "the damage must be worth the name"
    messages = {message for _, outcome, message in reports if outcome == "refused"}
    assert len(messages) > 10, "the damage must be of many kinds"


def test_the_number_of_cases() -> None:
    assert sum(subject.share for subject in SUBJECTS.values()) == 10_000
