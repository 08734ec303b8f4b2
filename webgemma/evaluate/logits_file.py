"""The reference's logits, kept in a temporary file while the other models run.

The reference runs once, whatever the number of sites, and one model at a time is on the GPU. The
file holds the logits as they came, float32, so that nothing is lost: 4 bytes per scored token and
vocabulary entry, 10 GB for 10,000 scored tokens of a vocabulary of 256,000.
"""

from __future__ import annotations

import shutil
import tempfile
from types import TracebackType
from typing import Self

import numpy as np

from webgemma.errors import ConfigError
from webgemma.evaluate.scores import Logits


class LogitsFile:
    """Rows of logits, written once in order and read as often as needed in the same order."""

    def __init__(self, num_rows: int, vocab_size: int) -> None:
        """Make the file in the system's temporary folder; it has no name and leaves nothing.

        Raises:
            ConfigError: the disk has too little room.
        """
        needed = 4 * num_rows * vocab_size
        free = shutil.disk_usage(tempfile.gettempdir()).free
        if free < needed:
            msg = (
                f"{tempfile.gettempdir()}: got {free:,} bytes free on the disk, expected at least "
                f"{needed:,} for the reference's logits. Give fewer --chunks, or set TMPDIR."
            )
            raise ConfigError(msg)
        self._vocab_size = vocab_size
        self._file = tempfile.TemporaryFile(prefix="webgemma-logits-")  # noqa: SIM115 - closed by us

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def write(self, logits: Logits) -> None:
        """Append rows, float32 [rows, vocab_size].

        Raises:
            ConfigError: the disk is full.
        """
        try:
            self._file.write(np.ascontiguousarray(logits).data)
        except OSError as error:
            msg = f"{tempfile.gettempdir()}: cannot be written: {error.strerror}. Set TMPDIR."
            raise ConfigError(msg) from error

    def rewind(self) -> None:
        """Begin to read, from the first row."""
        self._file.seek(0)

    def read(self, num_rows: int) -> Logits:
        """The next rows, float32 [num_rows, vocab_size]."""
        data = self._file.read(4 * num_rows * self._vocab_size)
        assert len(data) == 4 * num_rows * self._vocab_size, "read past what was written"
        return np.frombuffer(data, np.float32).reshape(num_rows, self._vocab_size)
