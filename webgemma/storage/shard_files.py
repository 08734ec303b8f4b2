"""Writes shards to files in threads, while the caller fills the next one.

Hashing and writing let go of Python's lock, so they take a core of their own. There are a few
buffers, which are used again and again: memory that is new to a process costs as much as the
packing itself.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from webgemma.storage.layout import SHARD_NBYTES

NUM_BUFFERS = 3
"""One is being filled; while one is written, another waits for its bytes to reach the disk."""


class Writable(Protocol):
    """A file open for writing bytes."""

    def write(self, data: Any, /) -> int:
        """Append bytes."""


Open = Callable[[str], AbstractContextManager[Writable]]
"""Opens a new file by its name inside the weights folder; called from threads."""


class ShardFiles:
    """Buffers to fill, and their way into files; used in a with statement.

    Leaving it waits for the files being written; those that wait are dropped after an error.
    """

    def __init__(self, open_file: Open, shard_nbytes: int = SHARD_NBYTES) -> None:
        """Start with no file.

        Args:
            open_file: Opens one.
            shard_nbytes: The most that a shard holds, unless a single slice takes more.
        """
        self.shard_nbytes = shard_nbytes
        self._open = open_file
        self._free: list[NDArray[np.uint8]] = []
        self._pending: list[tuple[Future[None], NDArray[np.uint8]]] = []
        self._threads = ThreadPoolExecutor(NUM_BUFFERS - 1, thread_name_prefix="shards")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._threads.shutdown(wait=True, cancel_futures=error is not None)
        if error is None:
            for future, _ in self._pending:
                future.result()

    def take(self, nbytes: int) -> NDArray[np.uint8]:
        """A buffer of `nbytes` or more that is free now.

        Raises:
            ConfigError: an earlier one could not be written.
        """
        self._collect(wait=len(self._pending) >= NUM_BUFFERS - 1)
        if nbytes > self.shard_nbytes:
            return np.empty(nbytes, np.uint8)
        return self._free.pop() if self._free else np.empty(self.shard_nbytes, np.uint8)

    def put(self, name: str, buffer: NDArray[np.uint8], nbytes: int) -> None:
        """Write the first `nbytes` of a buffer that was taken to file `name`."""
        future = self._threads.submit(self._write, name, buffer[:nbytes])
        self._pending.append((future, buffer))

    def _write(self, name: str, content: NDArray[np.uint8]) -> None:
        with self._open(name) as file:
            file.write(content)

    def _collect(self, *, wait: bool) -> None:
        """Take back the buffers that are written; of the oldest, wait for it if asked."""
        while self._pending and (wait or self._pending[0][0].done()):
            future, buffer = self._pending.pop(0)
            future.result()
            if buffer.nbytes == self.shard_nbytes:
                self._free.append(buffer)
            wait = False
