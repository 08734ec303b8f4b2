"""Writes shards to files in threads: each fills, hashes and writes a whole one, then the next.

Large numpy operations, hashing and writing let go of Python's lock, so the threads take all cores,
and none waits for another. Each has a buffer, which it uses again and again: memory that is new to
a process costs as much as the packing itself.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from queue import Empty, SimpleQueue
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from webgemma.storage.shards import Shard

MOST_THREADS = 6  # what a thread does between two large operations, others wait for


class Writable(Protocol):
    """A file open for writing bytes."""

    def write(self, data: Any, /) -> int:
        """Append bytes."""


Open = Callable[[str], AbstractContextManager[Writable]]
"""Opens a new file by its name inside the weights folder; called from threads."""


def num_threads() -> int:
    """One for each processor, and two more that wait for the disk meanwhile."""
    return min((os.cpu_count() or 1) + 2, MOST_THREADS)


def new_buffer(nbytes: int) -> NDArray[np.uint8]:
    """Memory [nbytes] that begins a page, so that it can be written directly."""
    return np.frombuffer(mmap.mmap(-1, nbytes), np.uint8)


def write_shards(shards: Sequence[Shard], open_file: Open) -> None:
    """Fill and write shards; returns when all are written.

    An error of one ends the others: those that are being written are finished, the rest dropped.

    Raises:
        ConfigError: a file cannot be written.
        FormatError: a source is broken, or changed.
    """
    buffers: SimpleQueue[NDArray[np.uint8]] = SimpleQueue()
    largest = max((shard.nbytes for shard in shards), default=0)

    def write(shard: Shard) -> None:
        try:
            buffer = buffers.get_nowait()
        except Empty:
            buffer = new_buffer(largest)
        content = buffer[: shard.nbytes]
        shard.fill(content)
        with open_file(shard.name) as file:
            file.write(content)
        buffers.put(buffer)

    threads = ThreadPoolExecutor(num_threads(), thread_name_prefix="shards")
    try:
        for done in [threads.submit(write, shard) for shard in shards]:
            done.result()
    finally:
        threads.shutdown(wait=True, cancel_futures=True)
