"""A folder that appears under its final name complete, or not at all.

    .site.webgemma-new-<pid>   what a running build writes; locked while its process lives
    .site.webgemma-old-<pid>   the former site, for the moment between two renames

What a killed process left is found by its lock being free, and removed, or, where the kill fell
between the two renames, put back.
"""

from __future__ import annotations

import os
import re
import shutil
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from webgemma.errors import ConfigError

try:
    import fcntl
except ImportError:  # Windows: leftovers are not recognised there, and stay
    fcntl = None  # type: ignore[assignment]

_LOCK = ".lock"
FLUSHES_AT_ONCE = 8  # 230 small files took 0.1 s, one after the other 0.6 s (ext4)


class Staging:
    """A folder being written beside the place where it will stand."""

    def __init__(self, final: Path) -> None:
        """Name the folder; `create` makes it, so that whoever is interrupted knows what to discard.

        Args:
            final: Where it will stand.
        """
        self.final = final
        self.folder = _sibling(final, "new")
        self._lock: IO[bytes] | None = None

    def create(self) -> None:
        """Make the folder.

        Raises:
            ConfigError: another process is writing the same folder, or this one cannot.
        """
        try:
            self.final.parent.mkdir(parents=True, exist_ok=True)
            _clear_leftovers(self.final)
            self.folder.mkdir()
            self._lock = _take_lock(self.folder)
        except OSError as error:
            raise cannot_write(self.final, error) from error

    def publish(self) -> None:
        """Flush everything to the disk and move it to its final name.

        Raises:
            ConfigError: the disk is full, or something else took the name meanwhile.
        """
        try:
            _flush(self.folder, skip=_LOCK)
            self._unlock()
            if self.final.exists() and any(self.final.iterdir()):
                self._swap()
            else:
                self.folder.rename(self.final)
            _flush_one(self.final.parent)
        except OSError as error:
            raise cannot_write(self.final, error) from error

    def discard(self) -> None:
        """Remove what was written; the final name is as it was before."""
        self._unlock()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _swap(self) -> None:
        """Put the new folder in the old one's place."""
        old = _sibling(self.final, "old")
        self.final.rename(old)
        try:
            self.folder.rename(self.final)
        except BaseException:
            old.rename(self.final)
            raise
        shutil.rmtree(old, ignore_errors=True)

    def _unlock(self) -> None:
        if self._lock is not None:
            (self.folder / _LOCK).unlink(missing_ok=True)
            self._lock.close()
            self._lock = None


def cannot_write(path: Path, error: OSError) -> ConfigError:
    """Return the error that says why `path` cannot be written."""
    reason = error.strerror or str(error)
    if isinstance(error, shutil.Error):  # of copytree: (source, target, text) of every file
        reason = re.sub(r"\[Errno \d+\] ([^:]*).*", r"\1", error.args[0][0][2])
    return ConfigError(
        f"{path}: cannot be written: {reason}. Free space or choose another folder with -o."
    )


def check_room(path: Path, needed: int) -> None:
    """Check that the disk below `path` has room for `needed` bytes.

    Raises:
        ConfigError: it has not.
    """
    folder = next(parent for parent in (path, *path.parents) if parent.exists())
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ConfigError(
            f"{path}: got {free:,} bytes free on the disk, expected at least {needed:,}. "
            "Free space or choose another folder with -o."
        )


def _sibling(final: Path, kind: str) -> Path:
    return final.parent / f".{final.name}.webgemma-{kind}-{os.getpid()}"


def _leftovers(final: Path) -> Iterator[tuple[str, int, Path]]:
    """Yield kind, process and path of every folder that a build of `final` made; old ones first."""
    pattern = re.compile(rf"\.{re.escape(final.name)}\.webgemma-(new|old)-(\d+)")
    for path in sorted(final.parent.iterdir(), reverse=True):
        match = pattern.fullmatch(path.name)
        if match:
            yield match[1], int(match[2]), path


def _clear_leftovers(final: Path) -> None:
    """Remove what killed builds left, or put back the site they were about to replace.

    Raises:
        ConfigError: a build that is running writes the same site.
    """
    for kind, pid, path in _leftovers(final):
        if _is_in_use(path, pid):
            raise ConfigError(
                f"{final}: got a build that is running (process {pid}), expected none. "
                "Wait for it, or choose another folder with -o."
            )
        if kind == "old" and not final.exists():
            path.rename(final)
        else:
            shutil.rmtree(path)


def _take_lock(folder: Path) -> IO[bytes]:
    """Create and lock the folder's lock file; the system frees it with the process."""
    file = (folder / _LOCK).open("wb")
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return file


def _is_in_use(folder: Path, pid: int) -> bool:
    """Return whether the process that made `folder` still runs."""
    if fcntl is None:
        return True
    try:
        with (folder / _LOCK).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return _is_alive(pid)
    except BlockingIOError:
        return True
    return False


def _is_alive(pid: int) -> bool:
    """Return whether a process other than this one has the number `pid`."""
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _flush(folder: Path, skip: str) -> None:
    """Flush every file below `folder` to the disk, then every folder; files share its waits."""
    tree = [(Path(parent), names) for parent, _, names in os.walk(folder, topdown=False)]
    files = [parent / name for parent, names in tree for name in names if name != skip]
    with ThreadPoolExecutor(FLUSHES_AT_ONCE) as threads:
        deque(threads.map(_flush_one, files), maxlen=0)
    for parent, _ in tree:
        _flush_one(parent)


def _flush_one(path: Path) -> None:
    if os.name == "nt" and path.is_dir():  # Windows cannot open folders
        return
    descriptor = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
