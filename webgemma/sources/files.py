"""Bounded reads of regular files: sizes are checked first, short reads are errors."""

from __future__ import annotations

import os
import reprlib
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from webgemma.errors import ConfigError, FormatError

FETCH_AGAIN = "The file is damaged or incomplete; fetch it again."


def broken(
    where: object, what: str, got: object, expected: str, *, at: int | None = None, do: str = ""
) -> FormatError:
    """The error for a broken file: what and where, got, expected, what to do.

    Args:
        where: the file, or the file and tensor.
        what: the field that is wrong; "" if `where` says it.
        got: its value as text.
        expected: what it should be.
        at: byte offset in the file, if there is one.
        do: what the user can do; to fetch the file again by default.
    """
    place = ", ".join(filter(None, [what, "" if at is None else f"byte {at:,}"]))
    parts = f"{where}: {place}" if place else f"{where}"
    return FormatError(f"{parts}: got {got}, expected {expected}. {do or FETCH_AGAIN}")


def shown(name: str, most: int = 80) -> str:
    """A name from a file, quoted, on one line and cut to a length that can be read."""
    return repr(name if len(name) <= most else name[:most] + "...")


def shown_value(value: object) -> str:
    """A value from a file, on one line; of a long one, only as much as is shown is made text."""
    if value is None:
        return "nothing"
    if isinstance(value, np.ndarray):
        return f"an array of {value.size:,} numbers"
    short = reprlib.Repr()
    short.maxlist = short.maxdict = 10
    short.maxstring = short.maxlong = 60
    return short.repr(value)[:80]


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A regular file as it was when it was opened; every read checks that it still is.

    It is opened for each read and closed after it, so a checkpoint holds no open files. Plain
    reads are used, because a mapped file that shrinks would end the process with SIGBUS.
    """

    path: Path
    nbytes: int
    identity: tuple[int, int, int]
    """Device, inode and time of last change."""

    @staticmethod
    def at(path: Path) -> SourceFile:
        """Look at a file.

        Raises:
            ConfigError: there is no such file, it cannot be read, or it is not a regular file.
        """
        try:
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ConfigError(f"{path}: no such file. Check the path.") from error
        except (OSError, ValueError) as error:
            raise unreadable(path, error) from error
        # Opening a pipe would wait for ever, and reading a device might never end.
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(f"{path}: not a regular file. Give a file of a model.")
        return SourceFile(path, status.st_size, _identity(status))

    def open(self) -> BinaryIO:
        """Open the file for reading, unbuffered; the caller closes it.

        Raises:
            ConfigError: it cannot be read.
            FormatError: it changed since it was first looked at.
        """
        try:
            file = self.path.open("rb", buffering=0)
        except OSError as error:
            raise unreadable(self.path, error) from error
        status = os.fstat(file.fileno())
        if status.st_size != self.nbytes or _identity(status) != self.identity:
            file.close()
            raise FormatError(
                f"{self.path}: the file changed while it was read: got {status.st_size:,} bytes, "
                f"expected {self.nbytes:,} and no change since it was opened. "
                "Wait until it is complete, then start again."
            )
        return file

    def read(self, offset: int, nbytes: int) -> NDArray[np.uint8]:
        """Read [nbytes] bytes at `offset`.

        Raises:
            FormatError: the file ends sooner, or it changed.
        """
        buffer = np.empty(nbytes, np.uint8)
        with self.open() as file:
            fill(self.path, file, offset, buffer.data)
        return buffer


def fill(path: Path, file: BinaryIO, offset: int, buffer: memoryview) -> None:
    """Fill a buffer from an open file.

    Raises:
        FormatError: the file ends sooner.
        ConfigError: it cannot be read.
    """
    done = 0
    try:
        file.seek(offset)
        while done < len(buffer):
            count = file.readinto(buffer[done:])  # type: ignore[attr-defined]  # FileIO has it
            if not count:
                raise broken(
                    path, "", f"{done:,} bytes", f"{len(buffer):,} bytes", at=offset + done
                )
            done += count
    except OSError as error:
        raise unreadable(path, error) from error


def read_small(path: Path, most: int) -> bytes:
    """Read a whole file of at most `most` bytes.

    Raises:
        FormatError: it is larger.
        ConfigError: it cannot be read.
    """
    source = SourceFile.at(path)
    if source.nbytes > most:
        raise broken(path, "size", f"{source.nbytes:,} bytes", f"at most {most:,}")
    return source.read(0, source.nbytes).tobytes()


def unreadable(path: Path, error: OSError | ValueError) -> ConfigError:
    """The error for a file that the system does not let us read."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return ConfigError(f"{path}: cannot be read: {reason}. Check the path and its permissions.")


def _identity(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_dev, status.st_ino, status.st_mtime_ns
