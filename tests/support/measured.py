"""Run a command and watch its memory: what it allocated itself, not the files it has mapped."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SECONDS_BETWEEN_LOOKS = 0.01
_ANONYMOUS = re.compile(r"^RssAnon:\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Measured:
    """What a command took."""

    stdout: str
    duration_s: float
    anonymous_nbytes: int
    """The most pages without a file that were in memory at one time."""


def run_measured(command: Sequence[str | Path]) -> Measured:
    """Run a command to its end, on Linux, and look at its memory a hundred times a second."""
    started = time.perf_counter()
    most = 0
    with subprocess.Popen(
        list(command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            if match := _ANONYMOUS.search(status.read_text()):  # a process that has ended has none
                most = max(most, 1024 * int(match[1]))
            time.sleep(SECONDS_BETWEEN_LOOKS)
        stdout, stderr = process.communicate()
    assert process.returncode == 0, stderr
    return Measured(stdout, time.perf_counter() - started, most)
