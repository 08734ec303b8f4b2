"""Files written past the system's cache: the same bytes, whatever the system can do."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from webgemma.site import direct
from webgemma.site.direct import ALIGNMENT, DirectFile
from webgemma.storage.shard_files import new_buffer

fcntl = pytest.importorskip("fcntl")


@pytest.fixture
def content() -> NDArray[np.uint8]:
    """Aligned memory [12 pages and 100 bytes]."""
    buffer = new_buffer(12 * ALIGNMENT + 100)
    buffer[:] = np.random.default_rng(0).integers(0, 256, len(buffer), np.uint8)
    return buffer


def write(path: Path, parts: list[NDArray[np.uint8]]) -> list[bool]:
    """Write parts to a new file; returns after which of them its writes are direct."""
    states = []
    with path.open("xb", 0) as raw:
        file = DirectFile(raw)
        for part in parts:
            assert file.write(part) == len(part)
            states.append(bool(fcntl.fcntl(raw, fcntl.F_GETFL) & os.O_DIRECT))
    return states


def can_write_directly(folder: Path) -> bool:
    """Whether the folder's file system knows it, found out without DirectFile."""
    try:
        descriptor = os.open(folder / "probe", os.O_CREAT | os.O_WRONLY | os.O_DIRECT)
    except (OSError, AttributeError):
        return False
    try:
        return os.write(descriptor, mmap.mmap(-1, ALIGNMENT)) == ALIGNMENT
    except OSError:
        return False
    finally:
        os.close(descriptor)


def test_all_but_the_last_part_is_direct(tmp_path: Path, content: NDArray[np.uint8]) -> None:
    if not can_write_directly(tmp_path):
        pytest.skip("the file system of the temporary folder has no direct writes")
    parts = np.split(content, [4 * ALIGNMENT, 8 * ALIGNMENT])
    assert write(tmp_path / "file", parts) == [True, True, False]
    assert (tmp_path / "file").read_bytes() == content.tobytes()


def test_memory_that_is_not_aligned_goes_as_usual(
    tmp_path: Path, content: NDArray[np.uint8]
) -> None:
    parts = [content[: 4 * ALIGNMENT], content[100 : 100 + 4 * ALIGNMENT]]
    assert not write(tmp_path / "file", parts)[1]
    assert (tmp_path / "file").read_bytes() == b"".join(part.tobytes() for part in parts)


def test_a_system_without_direct_writes(
    tmp_path: Path, content: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct, "O_DIRECT", 0)
    assert write(tmp_path / "file", [content]) == [False]
    assert (tmp_path / "file").read_bytes() == content.tobytes()


def test_what_cannot_be_written_is_an_error(content: NDArray[np.uint8]) -> None:
    """No part is lost: /dev/full takes none."""
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("the system has no /dev/full")
    with full.open("wb", 0) as raw, pytest.raises(OSError, match="No space left"):
        DirectFile(raw).write(content)
