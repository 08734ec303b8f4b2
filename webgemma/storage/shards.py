"""Lays out the tensor cache: records in shards, and ndarray-cache.json.

Format: TVM python/tvm/contrib/tvmjs.py (dump_tensor_cache); docs/program.md says what we write.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from webgemma.storage.layout import SHARD_NBYTES
from webgemma.storage.shard_files import ShardFiles


@dataclass(slots=True)
class ShardPlan:
    """Puts records into shards, one after another, and keeps the table of contents."""

    shard_nbytes: int = SHARD_NBYTES
    shards: list[dict[str, Any]] = field(default_factory=list)
    nbytes: int = 0
    _records: list[dict[str, Any]] = field(default_factory=list)
    _open_nbytes: int = 0

    def add(self, name: str, shape: Sequence[int], dtype: str, nbytes: int) -> int:
        """Append one record to the open shard.

        Returns:
            Where it begins, in bytes from the shard's start.
        """
        start = self._open_nbytes
        self._records.append(
            {
                "name": name,
                "shape": list(shape),
                "dtype": dtype,
                "format": "raw",
                "nbytes": nbytes,
                "byteOffset": start,
            }
        )
        self._open_nbytes += nbytes
        return start

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


class ShardWriter:
    """Gives every record its place in a buffer, and hands full ones on to be written."""

    def __init__(self, files: ShardFiles) -> None:
        """Start the first shard; `files` are where shards go."""
        self.plan = ShardPlan(files.shard_nbytes)
        self._files = files
        self._buffer: NDArray[np.uint8] | None = None

    def reserve(self, nbytes: int) -> None:
        """Make room for the records of a slice, which stand in one shard: perhaps a new one."""
        if not self.plan.fits(nbytes):
            self.flush()
        if self._buffer is None:
            self._buffer = self._files.take(nbytes)

    def add(self, name: str, shape: Sequence[int], dtype: str, nbytes: int) -> NDArray[np.uint8]:
        """Append one record, for which room was reserved.

        Returns:
            Its bytes [nbytes] in the shard, to be filled before the next `reserve` or `flush`.
        """
        assert self._buffer is not None, "reserve() comes first"
        start = self.plan.add(name, shape, dtype, nbytes)
        return self._buffer[start : start + nbytes]

    def flush(self) -> None:
        """Hand the open shard on."""
        shard = self.plan.close()
        if shard is not None and self._buffer is not None:
            self._files.put(shard["dataPath"], self._buffer, shard["nbytes"])
            self._buffer = None
