"""Writes a tensor cache as MLC packs it: the same shards, offsets and JSON for the same tensors.

Tensors come in order and are never split. The open shard takes a tensor that keeps it below the
cap; else one of half the cap or more gets a shard of its own, at once, while the open one waits;
a smaller one closes the open shard and begins the next. Shards are numbered as they are written.
Source: TVM python/tvm/contrib/tvmjs.py (TensorCacheShardingManager, dump_tensor_cache).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from webgemma.staging import cannot_write

SHARD_CAP_NBYTES = 32 << 20
CACHE_NAMES = ("tensor-cache.json", "ndarray-cache.json")
"""For WebLLM from 0.2.80 on, and for those before it: the same bytes."""
B16_NAME = "tensor-cache-b16.json"
ENCODING = "f32-to-bf16"
"""The format MLC gives to every tensor; it says something of float32 only."""
ITEM_NBYTES = {"float32": 4, "float16": 2, "uint32": 4}
"""dtype of a record -> bytes of an element in memory."""


@dataclass(frozen=True, slots=True)
class RecordPlan:
    """One tensor of the cache: its name, shape, and type in memory."""

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def memory_nbytes(self) -> int:
        """Bytes once it is loaded."""
        return math.prod(self.shape) * ITEM_NBYTES[self.dtype]

    @property
    def nbytes(self) -> int:
        """Bytes in the shard: float32 is stored as bfloat16."""
        return self.memory_nbytes // (2 if self.dtype == "float32" else 1)


@dataclass(slots=True)
class CacheWriter:
    """Packs tensors into shards and keeps the table of contents."""

    folder: Path
    """Where the files are written."""
    shown: Path
    """Where they will stand, for error messages."""
    shard_cap_nbytes: int = SHARD_CAP_NBYTES
    shards: list[dict[str, Any]] = field(default_factory=list)
    memory_nbytes: int = 0
    _records: list[dict[str, Any]] = field(default_factory=list)
    _pending: list[NDArray[np.uint8]] = field(default_factory=list)
    _pending_nbytes: int = 0

    def add(self, plan: RecordPlan, chunks: Iterable[NDArray[np.generic]]) -> None:
        """Append one tensor; its chunks are its bytes in order, whatever their dtype."""
        record = {
            "name": plan.name,
            "shape": list(plan.shape),
            "dtype": plan.dtype,
            "format": ENCODING,
            "nbytes": plan.nbytes,
        }
        self.memory_nbytes += plan.memory_nbytes
        if self._pending_nbytes + plan.nbytes >= self.shard_cap_nbytes:
            if 2 * plan.nbytes >= self.shard_cap_nbytes:
                self._write(chunks, [record | {"byteOffset": 0}], plan.nbytes)
                return
            self.flush()
        kept = [_as_bytes(chunk) for chunk in chunks]
        assert sum(chunk.nbytes for chunk in kept) == plan.nbytes, plan
        self._records.append(record | {"byteOffset": self._pending_nbytes})
        self._pending += kept
        self._pending_nbytes += plan.nbytes

    def flush(self) -> None:
        """Write the open shard, if there is anything in it."""
        if self._pending:
            self._write(self._pending, self._records, self._pending_nbytes)
        self._pending, self._records, self._pending_nbytes = [], [], 0

    def finish(self, num_parameters: int) -> list[str]:
        """Write the open shard and the JSON files; returns the names of the latter.

        Args:
            num_parameters: Weights of the model, however they are stored.
        """
        self.flush()
        metadata = {
            "ParamSize": sum(len(shard["records"]) for shard in self.shards),
            "ParamBytes": float(self.memory_nbytes),
            "BitsPerParam": 8.0 * self.memory_nbytes / num_parameters,
        }
        for name in CACHE_NAMES:
            self._write_json(name, {"metadata": metadata, "records": self.shards})
        if not any(_is_bf16(record) for shard in self.shards for record in shard["records"]):
            return list(CACHE_NAMES)
        shards = [
            shard | {"records": [_raw_bf16(record) for record in shard["records"]]}
            for shard in self.shards
        ]
        self._write_json(B16_NAME, {"metadata": metadata, "records": shards})
        return [*CACHE_NAMES, B16_NAME]

    def _write(
        self,
        chunks: Iterable[NDArray[np.generic]],
        records: Sequence[dict[str, Any]],
        nbytes: int,
    ) -> None:
        """Write one shard file and enter it."""
        name = f"params_shard_{len(self.shards)}.bin"
        md5 = hashlib.md5(usedforsecurity=False)
        written = 0
        try:
            with (self.folder / name).open("xb") as file:
                for chunk in chunks:
                    data = _as_bytes(chunk).data
                    file.write(data)
                    md5.update(data)
                    written += len(data)
        except OSError as error:
            raise cannot_write(self.shown / name, error) from error
        assert written == nbytes, (name, written, nbytes)
        shard = {"dataPath": name, "format": "raw-shard", "nbytes": nbytes}
        self.shards.append(shard | {"records": list(records), "md5sum": md5.hexdigest()})

    def _write_json(self, name: str, value: dict[str, Any]) -> None:
        try:
            (self.folder / name).write_text(json.dumps(value, indent=4), encoding="utf-8")
        except OSError as error:
            raise cannot_write(self.shown / name, error) from error


def _as_bytes(chunk: NDArray[np.generic]) -> NDArray[np.uint8]:
    """An array's bytes in C order, [nbytes]."""
    return np.ascontiguousarray(chunk).reshape(-1).view(np.uint8)


def _is_bf16(record: dict[str, Any]) -> bool:
    return bool(record["dtype"] == "float32")


def _raw_bf16(record: dict[str, Any]) -> dict[str, Any]:
    """The record as the second file has it: float32 under the type it is stored in."""
    return record | {"dtype": "bfloat16", "format": "raw"} if _is_bf16(record) else record
