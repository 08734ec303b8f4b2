"""Writes to the disk past the system's cache, where the system can (Linux).

Copying 1.7 GB into the cache and from there to the disk takes half a second of processor time, a
third of what packing it takes; and what the cache held before stays there.
"""

from __future__ import annotations

import errno
import os
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

O_DIRECT: int = getattr(os, "O_DIRECT", 0)
ALIGNMENT = 4096
"""Of lengths, places in the file and in memory: a page, which is a multiple of every sector."""


class DirectFile:
    """An open file whose aligned writes go to the disk at once; others go as usual."""

    def __init__(self, raw: IO[bytes]) -> None:
        """Take a new file, open for writing and unbuffered."""
        self._raw = raw
        self._is_direct = False
        self._set_direct(bool(O_DIRECT))

    def write(self, data: ReadableBuffer) -> int:
        """Append bytes; memory that is not aligned is refused by the system and goes as usual.

        Returns:
            How many: all.
        """
        view = memoryview(data).cast("B")
        if view.nbytes % ALIGNMENT:
            self._set_direct(False)  # it is the last part: the next place is not aligned either
        done = 0
        while done < view.nbytes:
            try:
                done += self._raw.write(view[done:])
            except OSError as error:
                if error.errno != errno.EINVAL or not self._is_direct:
                    raise
                self._set_direct(False)
        return done

    def _set_direct(self, wanted: bool) -> None:
        """Switch it on, if the file's system knows it, or off."""
        if fcntl is None or wanted == self._is_direct:
            return
        flags = fcntl.fcntl(self._raw, fcntl.F_GETFL)
        try:
            fcntl.fcntl(self._raw, fcntl.F_SETFL, flags ^ O_DIRECT)
        except OSError:  # not on this file system
            return
        self._is_direct = wanted
