"""How long `webgemma build` takes, beside copying its source and hashing it once, in turns.

    python bench/packaging.py model.gguf
    python -m tests.support.seeded_gguf \
        tests/fixtures/gemma-2b-instruct-v1.1-q4_1.gguf-listing.json /tmp/q4_1.gguf

The second line makes a file of Gemma 2B's shape. Prints the medians, their ratio, processor times,
and the most anonymous memory that the build's processes had together (Linux). Modules are compiled
by a first build that is not counted, as pip compiles those that it installs.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SECONDS_BETWEEN_SAMPLES = 0.1
KIB = 1024


@dataclass(frozen=True, slots=True)
class Build:
    """What one build took."""

    wall_s: float
    """From the start of the process to its end."""
    user_s: float
    system_s: float
    anonymous_nbytes: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="a .gguf file")
    parser.add_argument("--repeat", type=int, default=5, help="measurements of each")
    parser.add_argument("--folder", type=Path, help="where to write; a temporary one by default")
    options = parser.parse_args()
    nbytes = options.source.stat().st_size
    print(
        f"{options.source.name}: {nbytes / 1e9:.2f} GB, {os.cpu_count()} processors, load {load()}"
    )
    with tempfile.TemporaryDirectory(prefix="webgemma-bench-", dir=options.folder) as folder:
        copies, builds = measure(options.source, Path(folder), options.repeat)
    for number, (copied, build) in enumerate(zip(copies, builds, strict=True), 1):
        print(
            f"{number}: copy and SHA-256 {copied:.2f} s, build {build.wall_s:.2f} s: "
            f"{build.wall_s / copied:.2f} x; processor {build.user_s:.2f} + {build.system_s:.2f} s"
        )
    copied = statistics.median(copies)
    built = statistics.median(build.wall_s for build in builds)
    memory = max(build.anonymous_nbytes for build in builds)
    print(f"medians: {copied:.2f} s, {built:.2f} s: {built / copied:.2f} x; load {load()}")
    print(f"anonymous memory: at most {memory / 1e6:.0f} MB")


def measure(source: Path, folder: Path, repeat: int) -> tuple[list[float], list[Build]]:
    """Copy and build in turns, once the page cache is warm and the modules are compiled."""
    time_copy(source, folder)
    time_build(source, folder)
    pairs = [(time_copy(source, folder), time_build(source, folder)) for _ in range(repeat)]
    return [copied for copied, _ in pairs], [build for _, build in pairs]


def time_copy(source: Path, folder: Path) -> float:
    """Seconds to copy a file and to hash it once."""
    started = time.perf_counter()
    copy = folder / "copy"
    shutil.copyfile(source, copy)
    with source.open("rb") as file:
        hashlib.file_digest(file, "sha256")
    seconds = time.perf_counter() - started
    copy.unlink()
    return seconds


def time_build(source: Path, folder: Path) -> Build:
    """Build a site in a process of its own and remove it."""
    site = folder / "site"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    command = [sys.executable, "-m", "webgemma", "build", str(source), "-o", str(site), "--quiet"]
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder / "compiled")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as process:
        most = 0
        while process.poll() is None:
            most = max(most, sum(anonymous_nbytes(pid) for pid in family(process.pid)))
            time.sleep(SECONDS_BETWEEN_SAMPLES)
    wall_s = time.perf_counter() - started
    if process.returncode:
        sys.exit(f"webgemma build ended with {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    shutil.rmtree(site)
    user_s, system_s = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
    return Build(wall_s, user_s, system_s, most)


def family(pid: int) -> Iterator[int]:
    """Yield a process and everything it started."""
    yield pid
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = path.read_text().split()
        except OSError:
            continue
        for child in children:
            yield from family(int(child))


def anonymous_nbytes(pid: int) -> int:
    """Memory of a process that no file stands behind; 0 where the system does not say."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * KIB for line in lines if line.startswith("Anonymous:"))


def load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    main()
