"""Writes the folder of one model in a site, and keeps the hash of every file in it."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from webgemma.errors import FormatError
from webgemma.layout import MANIFEST, check_relative_path
from webgemma.site.direct import DirectFile
from webgemma.staging import cannot_write

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

DIGEST_LENGTH = 16
"""Hexadecimal digits of a digest that stand in a folder's name."""
WRITE_NBYTES = 256 << 10
"""Written at a time: ext4 took four to ten times as long for 16 MB at once (Linux 6.18)."""
DIRECT_NBYTES = 1 << 20
"""As much is written directly at a time: what was hashed is still in the processor's cache."""


def to_json(value: Any) -> bytes:
    """Write JSON as every file of a site has it: the same bytes for the same value.

    Raises:
        ValueError: a number is infinite or not a number.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1)
    return (text + "\n").encode()


class ModelWriter:
    """Writes the folder of one model and keeps the hash of every file in it."""

    def __init__(
        self, folder: Path, *, shown: Path, name: str, weights_url: str | None = None
    ) -> None:
        """Start with an empty folder.

        Args:
            folder: Where to write.
            shown: Where it will stand, for error messages.
            name: The model's name for people.
            weights_url: The folder that will hold the weights' folder, if not this one.
        """
        self.id = folder.name
        self.name = name
        self.hashed_folders: list[str] = []
        self.is_finished = False
        self._folder = folder
        self._shown = shown
        self._weights_url = weights_url
        self._files: dict[str, dict[str, Any]] = {}
        self._taken = {MANIFEST.lower()}
        """Lower-case paths of files that exist or are being written."""
        self._lock = threading.Lock()

    @property
    def files(self) -> dict[str, dict[str, Any]]:
        """Path -> {"nbytes", "sha256"} of everything written, sorted by path."""
        return dict(sorted(self._files.items()))

    @property
    def nbytes(self) -> int:
        """The bytes written so far."""
        return sum(entry["nbytes"] for entry in self._files.values())

    @contextmanager
    def open(self, path: str, *, direct: bool = False) -> Iterator[HashingFile]:
        """Open a new file of the model for writing; several threads may, each another file.

        Args:
            path: Of the file, in the model's folder.
            direct: Write to the disk at once, and wait at the end until all of it is there; else
                that is left for the site's end.

        Raises:
            ConfigError: the disk is full, or the file cannot be written for another reason.
        """
        check_relative_path(path, str(self._shown))
        with self._lock:
            if path.lower() in self._taken:
                raise FormatError(f"{self._shown}: got file {path!r} twice.")
            self._taken.add(path.lower())
        target = self._folder / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb", 0 if direct else -1) as raw:
                file = HashingFile(DirectFile(raw), DIRECT_NBYTES) if direct else HashingFile(raw)
                yield file
                if direct:
                    os.fsync(raw.fileno())
        except OSError as error:
            raise cannot_write(self._shown / path, error) from error
        self._files[path] = {"nbytes": file.nbytes, "sha256": file.hexdigest()}

    def add_bytes(self, path: str, data: ReadableBuffer) -> None:
        """Write a whole file of the model."""
        with self.open(path) as file:
            file.write(data)

    def add_json(self, path: str, value: Any) -> None:
        """Write a file of the model as JSON."""
        self.add_bytes(path, to_json(value))

    def path(self, name: str) -> Path:
        """Where something of the model is being written."""
        return self._folder / name

    def digest(self, folder: str) -> str:
        """Return a short hash of everything in a folder of the model: names and bytes."""
        lines = [
            f"{entry['sha256']}  {path.removeprefix(folder + '/')}\n"
            for path, entry in self.files.items()
            if path.startswith(folder + "/")
        ]
        return hashlib.sha256("".join(lines).encode()).hexdigest()[:DIGEST_LENGTH]

    def rename_folder(self, old: str, new: str) -> None:
        """Give a folder its final name, which holds its digest: its files never change."""
        check_relative_path(new, str(self._shown))
        try:
            (self._folder / old).rename(self._folder / new)
        except OSError as error:
            raise cannot_write(self._shown / new, error) from error
        self._files = {
            new + path.removeprefix(old) if path.startswith(old + "/") else path: entry
            for path, entry in self._files.items()
        }
        self._taken = {path.lower() for path in (*self._files, MANIFEST)}
        self.hashed_folders.append(new)

    def finish(self, manifest: Mapping[str, Any]) -> None:
        """Write webgemma.json: `manifest` and, as its last key, "files"."""
        value = {**manifest, "files": self.files}
        if self._weights_url is not None:
            value["weights"] = {**manifest["weights"], "url": self._weights_url}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / MANIFEST).write_bytes(to_json(value))
        except OSError as error:
            raise cannot_write(self._shown / MANIFEST, error) from error
        self.is_finished = True


class HashingFile:
    """A file that is hashed while it is written."""

    def __init__(self, raw: IO[bytes] | DirectFile, write_nbytes: int = WRITE_NBYTES) -> None:
        """Take an open file.

        Args:
            raw: Takes all it is given.
            write_nbytes: Hashed and written at a time.
        """
        self._raw = raw
        self._write_nbytes = write_nbytes
        self._hash = hashlib.sha256()
        self.nbytes = 0

    def write(self, data: ReadableBuffer) -> int:
        """Append bytes, or an array's bytes.

        Returns:
            How many.
        """
        view = memoryview(data).cast("B")
        for start in range(0, view.nbytes, self._write_nbytes):
            part = view[start : start + self._write_nbytes]
            self._hash.update(part)
            self._raw.write(part)
        self.nbytes += view.nbytes
        return view.nbytes

    def hexdigest(self) -> str:
        """Return the SHA-256 of what was written."""
        return self._hash.hexdigest()
