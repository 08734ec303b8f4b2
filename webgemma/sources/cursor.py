"""Reads the head of a GGUF file front to back, never more than the file or the caps allow."""

from __future__ import annotations

import struct
import sys
from types import TracebackType
from typing import Self

from webgemma.errors import FormatError
from webgemma.sources.files import SourceFile, broken, fill

WINDOW_NBYTES = 1 << 20
MAX_HEAD_NBYTES = 256 << 20
MAX_STRING_NBYTES = 16 << 20
MAX_ELEMENT_NBYTES = 65_535
"""The longest string in an array: a token of a vocabulary is far shorter."""
LENGTH_NBYTES = 8
_LENGTH = struct.Struct("<Q")


class Cursor:
    """A position in a file, and a window of bytes read ahead of it.

    What is decoded is kept by the caller, so its size in memory is bounded too: a byte of UTF-8
    may need four bytes, and a short string fifty.
    """

    def __init__(self, source: SourceFile) -> None:
        self.source = source
        self._file = source.open()
        self._window = b""
        self._start = 0  # offset of the window in the file
        self._next = 0  # index in the window
        self._decoded_nbytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    @property
    def offset(self) -> int:
        """Where in the file the next byte comes from."""
        return self._start + self._next

    @property
    def left(self) -> int:
        """How many bytes of the file are left."""
        return self.source.nbytes - self.offset

    def take(self, nbytes: int, what: str) -> bytes:
        """Take the next `nbytes` bytes.

        Raises:
            FormatError: the file ends sooner, or its head is larger than the cap.
        """
        self._read_ahead(nbytes, what)
        start = self._next
        self._next += nbytes
        return self._window[start : self._next]

    def integer(self, nbytes: int, what: str) -> int:
        """Take an unsigned little-endian integer."""
        return int.from_bytes(self.take(nbytes, what), "little")

    def string(self, what: str, most: int = MAX_STRING_NBYTES) -> str:
        """Take a string: its length in 8 bytes, then UTF-8."""
        at = self.offset
        nbytes = self.integer(LENGTH_NBYTES, f"length of {what}")
        self._check_length(what, nbytes, most, at)
        at = self.offset
        data = self.take(nbytes, what)
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise self._not_utf8(what, error, at) from error
        self.charge(sys.getsizeof(text))
        return text

    def strings(self, count: int, what: str) -> list[str]:
        """Take `count` strings, each at most MAX_ELEMENT_NBYTES long."""
        texts: list[str] = []
        while len(texts) < count:
            before = len(texts)
            self._take_whole_strings(texts, count, what)
            self.charge(sum(map(sys.getsizeof, texts[before:])) + 8 * (len(texts) - before))
            if len(texts) < count:
                texts.append(self.string(f"{what}[{len(texts)}]", MAX_ELEMENT_NBYTES))
        return texts

    def _take_whole_strings(self, texts: list[str], count: int, what: str) -> None:
        """Append the strings that lie in the window whole; the loop that must be fast."""
        window, end, start = self._window, len(self._window), self._next
        read_length = _LENGTH.unpack_from
        try:
            while len(texts) < count:
                first = start + LENGTH_NBYTES
                if first > end:
                    break
                stop = first + read_length(window, start)[0]
                if stop > end or stop - first > MAX_ELEMENT_NBYTES:
                    break
                texts.append(window[first:stop].decode())
                start = stop
        except UnicodeDecodeError as error:
            at = self._start + start + LENGTH_NBYTES
            raise self._not_utf8(f"{what}[{len(texts)}]", error, at) from error
        self._next = start

    def charge(self, nbytes: int) -> None:
        """Count memory that decoded metadata takes.

        Raises:
            FormatError: it is more than the cap.
        """
        self._decoded_nbytes += nbytes
        if self._decoded_nbytes > MAX_HEAD_NBYTES:
            raise broken(
                self.source.path,
                "metadata",
                f"over {MAX_HEAD_NBYTES:,} bytes once decoded",
                "less",
                at=self.offset,
            )

    def _check_length(self, what: str, nbytes: int, most: int, at: int) -> None:
        path = self.source.path
        if nbytes > most:
            raise broken(path, f"length of {what}", f"{nbytes:,}", f"at most {most:,}", at=at)
        if nbytes > self.left:
            expected = f"at most the {self.left:,} bytes left in the file"
            raise broken(path, f"length of {what}", f"{nbytes:,}", expected, at=at)

    def _read_ahead(self, nbytes: int, what: str) -> None:
        """See to it that the window holds the next `nbytes` bytes."""
        if nbytes > self.left:
            expected = f"{nbytes:,} bytes"
            raise broken(
                self.source.path, what, f"the file's end after {self.left:,}", expected,
                at=self.offset,
            )  # fmt: skip
        if self.offset + nbytes > MAX_HEAD_NBYTES:
            raise broken(
                self.source.path, "metadata", f"over {MAX_HEAD_NBYTES:,} bytes", "less",
                at=self.offset,
            )  # fmt: skip
        if len(self._window) - self._next >= nbytes:
            return
        start = self.offset
        buffer = bytearray(min(max(nbytes, WINDOW_NBYTES), self.left))
        fill(self.source.path, self._file, start, memoryview(buffer))
        self._window, self._start, self._next = bytes(buffer), start, 0

    def _not_utf8(self, what: str, error: UnicodeDecodeError, at: int) -> FormatError:
        got = f"the byte 0x{error.object[error.start]:02x}"
        return broken(self.source.path, what, got, "UTF-8", at=at + error.start)
