"""Work beside lowering and packing, in threads; an error of one part ends all of them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

from webgemma.progress import Progress, no_progress

T = TypeVar("T")
MOST_THREADS = 4
SWITCH_INTERVAL_S = 0.0005
"""How long Python may keep a thread waiting that has hashed a chunk. By default it is 5 ms, four
times as long as hashing takes, while lowering, which is Python only, goes on."""


class Beside:
    """Threads that a with statement ends; `progress` is how they hear that they are to end."""

    def __init__(self, progress: Progress = no_progress) -> None:
        """Start with nothing to do; `progress` is told of all parts, one call at a time."""
        self.told = progress
        """May be another for what comes next."""
        self._lock = threading.Lock()
        self._is_over = False
        self._switch_interval_s = sys.getswitchinterval()
        self._threads = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="beside")
        self._futures: list[Future[Any]] = []
        self._at_the_end: list[Callable[[], None]] = []

    def __enter__(self) -> Self:
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        sys.setswitchinterval(self._switch_interval_s)
        self._is_over = True
        for end in self._at_the_end:
            end()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def start(self, work: Callable[[], T], *, end: Callable[[], None] | None = None) -> Future[T]:
        """Begin some work in a thread.

        Args:
            work: Calls `progress` often, or returns soon after `end` was called.
            end: Called when all is over, whether the work is done or not.
        """
        if end is not None:
            self._at_the_end.append(end)
        future = self._threads.submit(work)
        self._futures.append(future)
        return future

    def progress(self, stage: str, done: int, total: int) -> None:
        """Report where some part is; any thread may.

        Raises:
            CancelledError: there is no need to go on.
        """
        if self._is_over:
            raise CancelledError
        with self._lock:
            self.told(stage, done, total)

    def check(self) -> None:
        """Raise the error of a part that has failed."""
        for future in self._futures:
            if future.done():
                future.result()
