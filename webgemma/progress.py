"""How long work reports where it is: one call with a stage and two numbers of bytes or tokens.

The work calls `progress(stage, done, total)`; what becomes of it is the caller's choice: nothing,
a bar on a terminal, or plain lines in a log.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

STAGES = ("reading", "packing", "hashing")
"""The stages of a build, in order."""

_SECONDS_BETWEEN_LINES = 0.4
"""Lines are due twice a second; a little sooner, because they wait for the next call."""
_SECONDS_BETWEEN_TICKS = 0.05


class Progress(Protocol):
    """Told how far a stage of some work is, in bytes or whatever the work counts."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Take note that `done` of `total` bytes of `stage` are behind us."""


Amount = Callable[[int], str]
"""Writes what is counted, with its unit: `format_bytes`, `format_tokens`."""


def format_bytes(nbytes: int) -> str:
    """Write a number of bytes as people read it, in steps of 1000.

    >>> format_bytes(999), format_bytes(1_500), format_bytes(1_720_000_000)
    ('999 B', '1.5 kB', '1.7 GB')
    """
    size = float(nbytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.95 or unit == "GB":
            return f"{nbytes} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError("unreachable")


def format_tokens(count: int) -> str:
    """Write a number of tokens.

    >>> format_tokens(20_480)
    '20,480 tokens'
    """
    return f"{count:,} tokens"


def no_progress(stage: str, done: int, total: int) -> None:
    """Take note of nothing."""


class ConsoleProgress:
    """Shows progress on stderr: bars on a terminal, a line every half second elsewhere.

    Use it as a context manager: leaving it takes the bars down.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        bars: bool | None = None,
        amount: Amount = format_bytes,
    ) -> None:
        """Show on `stream` (default stderr), with bars if asked or if it is a terminal.

        Args:
            stream: Where to show it.
            bars: Bars rather than lines.
            amount: Writes the numbers with their unit.
        """
        self._stream = sys.stderr if stream is None else stream
        use_bars = self._stream.isatty() if bars is None else bars
        self._show: Callable[[str, int, int], None]
        self._bars = _Bars(self._stream, amount) if use_bars else None
        self._lines = _Lines(self._stream, amount)
        self._show = self._bars.show if self._bars else self._lines.show
        self._left = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show that `done` of `total` bytes of `stage` are behind us."""
        self._show(stage, done, total)

    def __enter__(self) -> Self:
        if self._bars is None:
            self._ticker.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bars:
            self._bars.stop()
        else:
            self._left.set()
            self._ticker.join()

    def _tick(self) -> None:
        """Say now and then that a step which makes no calls is still at work."""
        while not self._left.wait(_SECONDS_BETWEEN_TICKS):
            self._lines.tick()


class _Bars:
    """One bar per stage, drawn ten times a second by rich, with rate and time left."""

    def __init__(self, stream: TextIO, amount: Amount) -> None:
        self._stream = stream
        self._amount = amount
        self._rich: RichProgress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._started: dict[str, float] = {}

    def show(self, stage: str, done: int, total: int) -> None:
        rich = self._start()
        if stage not in self._tasks:
            self._tasks[stage] = rich.add_task(stage, total=max(total, 1), amount="", rate="")
            self._started[stage] = time.monotonic()
        seconds = time.monotonic() - self._started[stage]
        rich.update(
            self._tasks[stage],
            completed=done if total else 1,
            total=max(total, 1),
            amount=f"{self._amount(done)} of {self._amount(total)}",
            rate=f"{self._amount(round(done / seconds))}/s" if done and seconds else "",
        )

    def stop(self) -> None:
        if self._rich is not None:
            self._rich.stop()

    def _start(self) -> RichProgress:
        if self._rich is None:
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                Progress,
                TextColumn,
                TimeRemainingColumn,
            )

            self._rich = Progress(
                TextColumn("{task.description:<8}"),
                BarColumn(),
                TextColumn("{task.fields[amount]}"),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(compact=True, elapsed_when_finished=True),
                console=Console(file=self._stream),
                refresh_per_second=10,
            )
            self._rich.start()
        return self._rich


class _Lines:
    """A line per half second and stage, and one when a stage is complete."""

    def __init__(self, stream: TextIO, amount: Amount) -> None:
        self._stream = stream
        self._amount = amount
        self._started: dict[str, float] = {}
        self._shown: dict[str, float] = {}
        self._finished: set[str] = set()
        self._last: tuple[str, int, int] | None = None

    def tick(self) -> None:
        """Repeat the last line of a stage that is not complete, when one is due."""
        if self._last is not None and self._last[0] not in self._finished:
            self.show(*self._last)

    def show(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        self._last = (stage, done, total)
        started = self._started.setdefault(stage, now)
        shown = self._shown.setdefault(stage, now)
        if done >= total:
            if stage not in self._finished:
                self._finished.add(stage)
                self._write(describe(stage, done, total, now - started, self._amount))
        elif now - shown >= _SECONDS_BETWEEN_LINES:
            self._shown[stage] = now
            self._write(describe(stage, done, total, now - started, self._amount))

    def _write(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()


def describe(
    stage: str, done: int, total: int, seconds: float, amount: Amount = format_bytes
) -> str:
    """Say in one line how far a stage is, how fast it goes and how long it will take.

    >>> describe("packing", 50_000_000, 200_000_000, 0.5)
    'packing   50.0 MB of 200.0 MB  25 %  100.0 MB/s  2 s left'
    """
    percent = 100 * done // total if total else 100
    parts = [f"{stage:<8} {amount(done):>8} of {amount(total)}", f"{percent} %"]
    if seconds > 0 and done > 0:
        rate = done / seconds
        parts.append(f"{amount(round(rate))}/s")
        parts.append(f"{seconds:.1f} s" if done >= total else f"{(total - done) / rate:.0f} s left")
    return "  ".join(parts)
