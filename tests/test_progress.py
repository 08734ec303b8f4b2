from __future__ import annotations

import io
import re
import time

import pytest

from webgemma.progress import ConsoleProgress, describe, format_bytes, format_tokens, no_progress


@pytest.mark.parametrize(
    ("nbytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_951, "1.0 MB"),
        (16_777_216, "16.8 MB"),
        (1_720_000_000, "1.7 GB"),
        (5_000_000_000_000, "5000.0 GB"),
    ],
)
def test_format_bytes(nbytes: int, text: str) -> None:
    assert format_bytes(nbytes) == text


def test_a_line_says_how_far_how_fast_and_how_long() -> None:
    assert describe("packing", 50_000_000, 200_000_000, 0.5) == (
        "packing   50.0 MB of 200.0 MB  25 %  100.0 MB/s  2 s left"
    )
    assert describe("hashing", 100, 100, 2.0) == "hashing     100 B of 100 B  100 %  50 B/s  2.0 s"
    assert describe("reading", 0, 0, 0.0) == "reading       0 B of 0 B  100 %"


def test_tokens_are_counted_as_well_as_bytes() -> None:
    assert describe("q4_0", 2_000, 20_000, 0.5, format_tokens) == (
        "q4_0     2,000 tokens of 20,000 tokens  10 %  4,000 tokens/s  4 s left"
    )


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_lines_come_at_least_twice_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("webgemma.progress.time.monotonic", clock)
    stream = io.StringIO()
    with ConsoleProgress(stream) as progress:
        for step in range(101):  # ten calls a second for ten seconds
            clock.now = step / 10
            progress("packing", step, 100)
            progress("packing", step, 100)
    lines = stream.getvalue().splitlines()
    assert 20 <= len(lines) <= 30
    assert lines[-1] == "packing     100 B of 100 B  100 %  10 B/s  10.0 s"
    assert sum("100 %" in line for line in lines) == 1


def test_a_step_without_calls_still_shows_lines() -> None:
    stream = io.StringIO()
    with ConsoleProgress(stream) as progress:
        progress("reading", 0, 100)
        time.sleep(1.5)
        progress("reading", 100, 100)
        time.sleep(0.6)
    lines = stream.getvalue().splitlines()
    assert 2 <= sum("0 B of 100 B  0 %" in line for line in lines) <= 4, lines
    assert "100 %" in lines[-1]
    assert sum("100 %" in line for line in lines) == 1


def test_a_terminal_gets_bars_with_rate_and_time_left() -> None:
    stream = io.StringIO()
    with ConsoleProgress(stream, bars=True) as progress:
        progress("reading", 0, 2_000_000)
        progress("reading", 2_000_000, 2_000_000)
        progress("packing", 0, 0)
    assert re.search(r"reading\s.*2\.0 MB of 2\.0 MB", stream.getvalue())
    assert "packing" in stream.getvalue()


def test_no_progress_takes_the_same_call() -> None:
    no_progress("packing", 1, 2)
