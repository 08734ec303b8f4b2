"""Damages one subject many times and reports, case by case, what opening it did.

    python -m tests.fuzz.worker SUBJECT START STOP

It runs under limits: 2 seconds for a case, 1 GB of address space. A case that takes longer ends
the process; the parent knows which one it was by what was not reported. Each line on stdout is
JSON: [case, outcome, message].
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
from tests.fuzz.subjects import SUBJECTS, Subject, write_subject
from webgemma.checkpoint import Checkpoint
from webgemma.errors import WebGemmaError
from webgemma.sources import open_checkpoint
from webgemma.sources.mlc_tensor import GroupTensor
from webgemma.sources.tensor import FileTensor

SECONDS = 2.0
ADDRESS_SPACE_NBYTES = 1 << 30
MAX_PADDING_NBYTES = 32

Placed = list[tuple[int, bytes]]
"""Offset and bytes of every tensor of one file, in the file's order."""


def main() -> None:
    """Run the cases that the command line names."""
    name, start, stop = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_NBYTES, ADDRESS_SPACE_NBYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as folder:
        run_cases(name, Path(folder), range(start, stop))


def run_cases(name: str, folder: Path, cases: range) -> None:
    """Damage and open the subject for every case."""
    subject = SUBJECTS[name]
    write_subject(name, folder)
    intact = {p.name: p.read_bytes() for p in folder.iterdir()}
    expected = read_all(open_checkpoint(folder / subject.model))
    path = folder / subject.file
    for case in cases:
        damaged = mutate(intact[subject.file], random.Random(f"{name} {case}"))
        path.write_bytes(damaged)
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        outcome, message = run_case(folder, subject, expected, len(intact[subject.file]))
        signal.setitimer(signal.ITIMER_REAL, 0)
        if outcome == "bug":
            shutil.copy(path, Path(tempfile.gettempdir()) / f"fuzz-{name}-{case}")
        print(json.dumps([case, outcome, message]), flush=True)


def run_case(
    folder: Path, subject: Subject, expected: dict[str, Placed], intact_nbytes: int
) -> tuple[str, str]:
    """Open a damaged model: (refused, equal, benign or bug; what it said)."""
    try:
        got = read_all(open_checkpoint(folder / subject.model))
    except WebGemmaError as error:
        message = str(error)
        is_one_line = message.isprintable() and message.endswith(".")
        return ("refused" if is_one_line else "bug"), message
    except Exception:  # whatever it is, it is what this test looks for
        return "bug", traceback.format_exc()
    if got == expected:
        return "equal", ""
    return compare(folder / subject.file, got, expected, intact_nbytes)


def compare(
    path: Path, got: dict[str, Placed], expected: dict[str, Placed], intact_nbytes: int
) -> tuple[str, str]:
    """Decide whether a difference is benign.

    It is if all files but the damaged one gave what they gave before, and the damaged file's
    tensors are its bytes where they were before, counted from the file's start or from its end.
    Where a size changed, it can only have changed into padding.
    """
    if got.keys() != expected.keys():
        return "bug", f"other files: {list(got)}"
    for name in expected:
        if name != path.name and got[name] != expected[name]:
            return "bug", f"other bytes of {name}, which is intact"
    old, new = expected.get(path.name, []), got.get(path.name, [])
    if len(new) != len(old):
        return "bug", f"{len(new)} tensors of {len(old)}"
    data = path.read_bytes()
    for shift in (0, len(data) - intact_nbytes):
        if all(
            abs(len(now) - len(before)) < MAX_PADDING_NBYTES
            and data[offset + shift : offset + shift + len(now)] == now
            for (offset, before), (_, now) in zip(old, new, strict=True)
        ):
            return "benign", ""
    return "bug", "tensors are read from the wrong place"


def read_all(checkpoint: Checkpoint) -> dict[str, Placed]:
    """Read every tensor: file name -> offsets and bytes in the file's order."""
    found: dict[str, Placed] = {path.name: [] for path in checkpoint.files}
    for tensor in checkpoint.tensors.values():
        for part in (tensor.codes, tensor.scales) if isinstance(tensor, GroupTensor) else (tensor,):
            assert isinstance(part, FileTensor)
            data = part.read_rows(0, part.num_rows).tobytes()
            found[part.source.path.name].append((part.offset, data))
    is_cut = checkpoint.format == "mlc"
    return {n: merge(placed) if is_cut else sorted(placed) for n, placed in found.items()}


def merge(placed: Placed) -> Placed:
    """Join what lies end to end: a fused matrix is read in parts, or under a damaged name whole."""
    merged: Placed = []
    for offset, data in sorted(placed):
        if merged and merged[-1][0] + len(merged[-1][1]) == offset:
            offset, data = merged[-1][0], merged.pop()[1] + data
        merged.append((offset, data))
    return merged


if __name__ == "__main__":
    main()
