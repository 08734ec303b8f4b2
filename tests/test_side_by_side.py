"""What a build does beside the packing: the same bytes, and an end to all when one part fails."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import webgemma.language.child as child
from webgemma.architectures import lower
from webgemma.architectures.lowered import Lowered
from webgemma.build import build_site, write_model
from webgemma.build.beside import Beside
from webgemma.checkpoint import Checkpoint
from webgemma.errors import ConfigError, FormatError, UnsupportedError
from webgemma.language import read_language
from webgemma.progress import Progress
from webgemma.sources import open_checkpoint
from webgemma.sources.hashes import hash_files
from webgemma.storage.shard_files import num_threads, write_shards
from webgemma.storage.shards import Entry, Part, Shard

SHARD_NBYTES = 1 << 18


@pytest.fixture
def source(fixtures: Path) -> Path:
    return fixtures / "gemma2-Q4_K.gguf"


@pytest.fixture
def in_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every vocabulary is read in a process of its own, and shards are small."""
    monkeypatch.setattr(child, "LARGE_NUM_PIECES", 0)
    monkeypatch.setattr(write_model, "SHARD_NBYTES", SHARD_NBYTES)


def hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def child_processes() -> set[str]:
    """The processes that this one has started and not waited for."""
    tasks = Path("/proc/self/task").glob("*/children")
    return {pid for path in tasks for pid in path.read_text().split()}


def test_a_child_reads_the_same_language(source: Path) -> None:
    checkpoint = open_checkpoint(source)
    process = child.LanguageChild(checkpoint, None)
    try:
        assert process.read() == read_language(checkpoint)
    finally:
        process.end()


def test_a_build_with_a_child_gives_the_same_bytes(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not child.is_large(open_checkpoint(source).tokenizer)
    build_site(source, tmp_path / "a")
    monkeypatch.setattr(child, "LARGE_NUM_PIECES", 0)
    assert child.is_large(open_checkpoint(source).tokenizer)
    build_site(source, tmp_path / "b")
    assert hashes(tmp_path / "a") == hashes(tmp_path / "b")


@pytest.mark.usefixtures("in_a_child")
def test_what_the_child_finds_wrong_is_the_builds_error(source: Path, tmp_path: Path) -> None:
    template = tmp_path / "template.jinja"
    template.write_text("{{ undefined_function() }}")
    before = child_processes()
    with pytest.raises(UnsupportedError, match=r"^chat template: "):
        build_site(source, tmp_path / "site", chat_template=str(template))
    assert os.listdir(tmp_path) == ["template.jinja"]
    assert child_processes() == before


@pytest.mark.usefixtures("in_a_child")
def test_a_child_that_dies_is_said(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no memory left >&2\nexit 9\n")
    python.chmod(0o755)
    monkeypatch.setattr(child.sys, "executable", str(python))
    with pytest.raises(RuntimeError) as caught:
        build_site(source, tmp_path / "site")
    assert str(caught.value) == (
        "the process that reads the tokenizer ended with 9 and said 'no memory left'"
    )
    assert os.listdir(tmp_path) == ["python"]


@pytest.mark.usefixtures("in_a_child")
@pytest.mark.parametrize("stage", ["reading", "hashing", "packing"])
def test_an_interrupt_ends_everything(source: Path, tmp_path: Path, stage: str) -> None:
    """Wherever Ctrl-C falls, no thread, no process and no file of the build is left."""
    before, threads = child_processes(), set(threading.enumerate())

    def interrupt(name: str, done: int, total: int) -> None:
        if name == stage and done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_site(source, tmp_path / "site", progress=interrupt)
    assert os.listdir(tmp_path) == []
    assert child_processes() == before
    assert set(threading.enumerate()) == threads


@pytest.mark.usefixtures("in_a_child")
def test_a_damaged_source_ends_everything(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = replace(open_checkpoint(source), md5={source.name: "0" * 32})
    monkeypatch.setattr("webgemma.build.opened.open_checkpoint", lambda path: checkpoint)
    before = child_processes()
    with pytest.raises(FormatError, match="got a file with MD5"):
        build_site(source, tmp_path / "site")
    assert os.listdir(tmp_path) == []
    assert child_processes() == before


def test_hashing_begins_before_lowering(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()

    def hashing(checkpoint: Checkpoint, progress: Progress) -> dict[str, str]:
        begun.set()
        return hash_files(checkpoint, progress)

    def lowering(*args: Any, **options: Any) -> Lowered:
        assert begun.wait(10)
        return lower(*args, **options)

    monkeypatch.setattr("webgemma.build.begun.hash_files", hashing)
    monkeypatch.setattr("webgemma.build.opened.lower", lowering)
    build_site(source, tmp_path / "site")
    assert begun.is_set()


@pytest.mark.usefixtures("in_a_child")
def test_what_lowering_finds_wrong_ends_what_was_begun(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, threads = child_processes(), set(threading.enumerate())
    interval, begun = sys.getswitchinterval(), []

    def lowering(checkpoint: Checkpoint, **options: Any) -> Lowered:
        begun.extend(t.name for t in set(threading.enumerate()) - threads)
        raise FormatError("no such layer")

    monkeypatch.setattr("webgemma.build.opened.lower", lowering)
    with pytest.raises(FormatError, match="no such layer"):
        build_site(source, tmp_path / "site")
    assert begun, "a thread that hashes, one that waits for the child"
    assert os.listdir(tmp_path) == []
    assert child_processes() == before
    assert set(threading.enumerate()) == threads
    assert sys.getswitchinterval() == interval


def test_an_error_of_one_part_reaches_the_others() -> None:
    going = threading.Event()

    def goes_on(beside: Beside) -> None:
        going.set()
        while True:
            time.sleep(0.001)
            beside.progress("hashing", 0, 1)

    def fails() -> None:
        going.wait()
        raise FormatError("one part failed")

    with (
        pytest.raises(FormatError, match="one part failed"),
        Beside(lambda stage, done, total: None) as beside,
    ):
        beside.start(lambda: goes_on(beside))
        beside.start(fails)
        while True:
            beside.check()
            time.sleep(0.001)


class Disk:
    """Files in memory; writing the one with a given name fails."""

    def __init__(self, full_at: str = "") -> None:
        self.files: dict[str, bytes] = {}
        self.full_at = full_at

    @contextmanager
    def open(self, name: str) -> Iterator[BytesIO]:
        if name == self.full_at:
            raise ConfigError(f"{name}: no space")
        file = BytesIO()
        yield file
        self.files[name] = file.getvalue()


def shards(count: int, seen: set[int]) -> list[Shard]:
    """Shard n holds 1000 - n times n; `seen` gets the addresses they are filled at."""

    def part(number: int) -> Part:
        def fill(records: Sequence[NDArray[np.uint8]]) -> None:
            seen.add(records[0].ctypes.data)
            records[0][:] = number

        return Part([Entry(str(number), (1,), "uint8", 1000 - number)], fill)

    return [Shard(str(n), 1000 - n, [part(n)]) for n in range(count)]


def test_buffers_are_used_again_once_they_are_written() -> None:
    disk, seen = Disk(), set[int]()
    write_shards(shards(50, seen), disk.open)
    assert 1 <= len(seen) <= num_threads()
    assert disk.files == {str(n): bytes([n]) * (1000 - n) for n in range(50)}


@pytest.mark.parametrize("at", [0, 3, 19])
def test_a_file_that_cannot_be_written_is_said(at: int) -> None:
    disk, threads = Disk(full_at=str(at)), set(threading.enumerate())
    with pytest.raises(ConfigError, match=f"^{at}: no space"):
        write_shards(shards(200, set()), disk.open)
    assert str(at) not in disk.files
    assert set(threading.enumerate()) == threads


def test_an_error_drops_the_shards_that_wait() -> None:
    disk, going = Disk(full_at="0"), threading.Event()

    def wait(records: Sequence[NDArray[np.uint8]]) -> None:
        going.wait(10)

    waiting = [Shard(str(n), 1, [Part([], wait)]) for n in range(1, 50)]
    timer = threading.Timer(0.2, going.set)
    timer.start()
    with pytest.raises(ConfigError, match=r"^0: no space"):
        write_shards([*shards(1, set()), *waiting], disk.open)
    timer.join()
    assert len(disk.files) <= num_threads()
