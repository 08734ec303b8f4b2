"""A model with a damaged header is built, or refused in one line with nothing left behind.

By default a slice runs; WEBGEMMA_FUZZ=full runs 2,000 cases. One case alone:
python -m tests.fuzz.build_worker tests/fixtures/gemma2-Q4_K.gguf N N+1.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_damaged_headers(fixtures):
    count = 2000 if os.environ.get("WEBGEMMA_FUZZ") == "full" else 120
    model = fixtures / "gemma2-Q4_K.gguf"
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.build_worker", str(model), "0", str(count)],
        cwd=ROOT,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=60 + 4 * count,
        check=False,
    )
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"case {len(reports)}: {done.returncode}: {done.stderr[-2000:]}"
    outcomes = Counter(outcome for _, outcome, _ in reports)
    print(dict(outcomes))
    bugs = [f"case {case}: {message}" for case, outcome, message in reports if outcome == "bug"]
    assert not bugs, "\n".join(bugs[:5])
    assert len(reports) == count
    assert outcomes["refused"] > count // 3
