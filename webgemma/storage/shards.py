"""Writes the tensor cache: records into shards, shards into files, and ndarray-cache.json.

Format: TVM python/tvm/contrib/tvmjs.py (dump_tensor_cache); docs/program.md says what we write.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from webgemma.storage.layout import SHARD_NBYTES


class Writable(Protocol):
    """A file open for writing bytes."""

    def write(self, data: Any, /) -> int:
        """Append bytes."""


Open = Callable[[str], AbstractContextManager[Writable]]
"""Opens a new file by its name inside the weights folder."""


@dataclass(slots=True)
class _Pending:
    record: dict[str, Any]
    data: NDArray[np.uint8]


@dataclass(slots=True)
class ShardWriter:
    """Collects records until a shard is full, writes it, and keeps the table of contents."""

    open: Open | None
    """None: nothing is written; the table of contents is all that is wanted."""
    shard_nbytes: int = SHARD_NBYTES
    shards: list[dict[str, Any]] = field(default_factory=list)
    nbytes: int = 0
    _pending: list[_Pending] = field(default_factory=list)
    _pending_nbytes: int = 0

    def add(self, name: str, shape: Sequence[int], dtype: str, data: NDArray[np.uint8]) -> None:
        """Append one record; records of one slice belong into one shard, see `slice`."""
        record = {
            "name": name,
            "shape": list(shape),
            "dtype": dtype,
            "format": "raw",
            "nbytes": data.nbytes,
            "byteOffset": self._pending_nbytes,
        }
        self._pending.append(_Pending(record, data))
        self._pending_nbytes += data.nbytes

    def reserve(self, nbytes: int) -> None:
        """Start a new shard if `nbytes` more would not fit the open one."""
        if self._pending and self._pending_nbytes + nbytes > self.shard_nbytes:
            self.flush()

    def flush(self) -> None:
        """Write the open shard to its file."""
        if not self._pending:
            return
        name = f"params_shard_{len(self.shards)}.bin"
        if self.open is not None:
            with self.open(name) as file:
                for pending in self._pending:
                    file.write(np.ascontiguousarray(pending.data))
        self.shards.append(
            {
                "dataPath": name,
                "format": "raw-shard",
                "nbytes": self._pending_nbytes,
                "records": [pending.record for pending in self._pending],
            }
        )
        self.nbytes += self._pending_nbytes
        self._pending = []
        self._pending_nbytes = 0

    def contents(self, num_parameters: int) -> dict[str, Any]:
        """The content of ndarray-cache.json, after the last `flush`."""
        return {
            "metadata": {
                "ParamSize": sum(len(shard["records"]) for shard in self.shards),
                "ParamBytes": float(self.nbytes),
                "BitsPerParam": self.nbytes * 8 / max(num_parameters, 1),
            },
            "records": self.shards,
        }
