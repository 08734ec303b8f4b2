"""Tensors as a table: name, type, shape and size, and totals by type."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from webgemma.progress import format_bytes
from webgemma.table import format_table


@dataclass(frozen=True, slots=True)
class TensorRow:
    """A tensor of a file."""

    name: str
    type: str
    shape: tuple[int, ...]
    nbytes: int


def tensor_sections(tensors: Sequence[TensorRow]) -> tuple[tuple[str, str], ...]:
    """The totals by type, and every tensor."""
    totals = [(kind, count, format_bytes(nbytes)) for kind, count, nbytes in tensor_totals(tensors)]
    rows = [
        (t.name, t.type, " x ".join(map(str, t.shape)), format_bytes(t.nbytes)) for t in tensors
    ]
    all_nbytes = format_bytes(sum(t.nbytes for t in tensors))
    return (
        (
            f"Tensors by type ({len(tensors):,}, {all_nbytes})",
            format_table(totals, header=("type", "tensors", "bytes"), right=(1, 2)),
        ),
        (
            "Tensors",
            format_table(rows, header=("name", "type", "shape", "bytes"), right=(2, 3)),
        ),
    )


def tensor_totals(tensors: Sequence[TensorRow]) -> list[tuple[str, int, int]]:
    """(type, tensors of it, their bytes), the type with the most bytes first."""
    counts = Counter(t.type for t in tensors)
    nbytes: Counter[str] = Counter()
    for tensor in tensors:
        nbytes[tensor.type] += tensor.nbytes
    return [(kind, counts[kind], total) for kind, total in nbytes.most_common()]


def tensor_data(tensors: Sequence[TensorRow]) -> dict[str, Any]:
    """The same as JSON."""
    return {
        "tensor_types": {
            kind: {"tensors": count, "nbytes": nbytes}
            for kind, count, nbytes in tensor_totals(tensors)
        },
        "tensors": [asdict(t) for t in tensors],
    }
