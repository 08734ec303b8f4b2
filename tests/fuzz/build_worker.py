"""Damages the header of a small complete model many times and builds a site of each.

    python -m tests.fuzz.build_worker MODEL.gguf START STOP

Limits and output as in tests/fuzz/worker.py: 2 seconds of CPU and 1 GB for a case; each line on
stdout is JSON: [case, outcome, message]; the outcome is refused, built or bug.
"""

from __future__ import annotations

import json
import random
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from pathlib import Path

from tests.fuzz.mutations import mutate
from tests.fuzz.worker import ADDRESS_SPACE_NBYTES, SECONDS
from webgemma.build import build_site
from webgemma.errors import WebGemmaError
from webgemma.sources import open_checkpoint


def main() -> None:
    """Run the cases that the command line names."""
    model, start, stop = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_NBYTES, ADDRESS_SPACE_NBYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    header = header_nbytes(model)
    data = model.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        for case in range(start, stop):
            rng = random.Random(f"build {case}")
            path = Path(folder) / "model.gguf"
            path.write_bytes(mutate(data[:header], rng) + data[header:])
            signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
            outcome, message = build_case(path, Path(folder) / "site")
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            print(json.dumps([case, outcome, message]), flush=True)


def header_nbytes(model: Path) -> int:
    """Bytes before the first tensor: keys, vocabulary and tensor descriptions."""
    tensors = open_checkpoint(model).tensors.values()
    return min(tensor.offset for tensor in tensors)  # type: ignore[attr-defined]


def build_case(path: Path, site: Path) -> tuple[str, str]:
    """Build a damaged model: (refused, built or bug; what it said)."""
    try:
        build_site(path, site)
    except WebGemmaError as error:
        message = str(error)
        left = [entry.name for entry in path.parent.iterdir() if entry != path]
        if left:
            return "bug", f"left {left} behind after: {message}"
        return ("refused" if message.isprintable() and message else "bug"), message
    except Exception:  # whatever it is, it is what this test looks for
        return "bug", traceback.format_exc()
    shutil.rmtree(site)
    return "built", ""


if __name__ == "__main__":
    main()
