"""Lays out the tensor cache: records in shards, and ndarray-cache.json.

Format: TVM python/tvm/contrib/tvmjs.py (dump_tensor_cache); docs/program.md says what we write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Entry(NamedTuple):
    """A record, as the table of contents has it."""

    name: str
    shape: Sequence[int]
    dtype: str
    nbytes: int


@dataclass(frozen=True, slots=True)
class Part:
    """Records that stand in one shard together, one after the other."""

    entries: Sequence[Entry]
    fill: Callable[[Sequence[NDArray[np.uint8]]], None]
    """Writes the bytes [nbytes] of every record; any thread may call it, once."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A file of the tensor cache that is still to be written."""

    name: str
    nbytes: int
    parts: Sequence[Part]

    def fill(self, content: NDArray[np.uint8]) -> None:
        """Write all of it into `content` [nbytes]."""
        start = 0
        for part in self.parts:
            records = []
            for entry in part.entries:
                records.append(content[start : start + entry.nbytes])
                start += entry.nbytes
            part.fill(records)


@dataclass(slots=True)
class ShardPlan:
    """Puts records into shards, one after another, and keeps the table of contents."""

    shard_nbytes: int
    shards: list[dict[str, Any]] = field(default_factory=list)
    nbytes: int = 0
    _records: list[dict[str, Any]] = field(default_factory=list)
    _open_nbytes: int = 0

    def add(self, entry: Entry) -> None:
        """Append one record to the open shard."""
        self._records.append(
            {
                "name": entry.name,
                "shape": list(entry.shape),
                "dtype": entry.dtype,
                "format": "raw",
                "nbytes": entry.nbytes,
                "byteOffset": self._open_nbytes,
            }
        )
        self._open_nbytes += entry.nbytes

    def fits(self, nbytes: int) -> bool:
        """Whether the open shard takes `nbytes` more; an empty one takes everything."""
        return not self._records or self._open_nbytes + nbytes <= self.shard_nbytes

    def close(self) -> dict[str, Any] | None:
        """End the open shard, if there is anything in it, and return its entry."""
        if not self._records:
            return None
        shard = {
            "dataPath": f"params_shard_{len(self.shards)}.bin",
            "format": "raw-shard",
            "nbytes": self._open_nbytes,
            "records": self._records,
        }
        self.shards.append(shard)
        self.nbytes += self._open_nbytes
        self._records, self._open_nbytes = [], 0
        return shard

    def contents(self, num_parameters: int) -> dict[str, Any]:
        """The content of ndarray-cache.json, after the last `close`."""
        return {
            "metadata": {
                "ParamSize": sum(len(shard["records"]) for shard in self.shards),
                "ParamBytes": float(self.nbytes),
                "BitsPerParam": self.nbytes * 8 / max(num_parameters, 1),
            },
            "records": self.shards,
        }


def lay_out(parts: Iterable[Part], shard_nbytes: int) -> tuple[ShardPlan, list[Shard]]:
    """Put parts into shards, in order; nothing is filled yet.

    Returns:
        The table of contents, and its shards.
    """
    plan, shards = ShardPlan(shard_nbytes), []
    open_parts: list[Part] = []

    def close() -> None:
        entry = plan.close()
        if entry is not None:
            shards.append(Shard(entry["dataPath"], entry["nbytes"], tuple(open_parts)))
        open_parts.clear()

    for part in parts:
        if not plan.fits(sum(entry.nbytes for entry in part.entries)):
            close()
        for entry in part.entries:
            plan.add(entry)
        open_parts.append(part)
    close()
    return plan, shards
