"""Reads a model of a site folder: manifest, program, shaders, and its shards one by one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from webgemma.errors import FormatError
from webgemma.layout import (
    MANIFEST,
    PROGRAM,
    TENSOR_CACHE,
    find_file,
    model_folder,
    read_manifest,
)
from webgemma.program.spec import VERSION, Program, program_from_json


@dataclass(frozen=True, slots=True)
class SiteModel:
    """A model's folder inside a site."""

    folder: Path
    manifest: dict[str, Any]

    def read(self, path: str) -> bytes:
        """A file of the manifest, its SHA-256 checked.

        Raises:
            FormatError: the file is missing, or its bytes are not those that were built.
        """
        expected = self.manifest["files"].get(path)
        if expected is None:
            raise FormatError(f"{self.folder}: {path!r} is not in {MANIFEST}. Build again.")
        file = find_file(self.folder, self.manifest, path)
        try:
            data = file.read_bytes()
        except OSError as error:
            msg = f"{file}: {error.strerror}. Build the site again."
            raise FormatError(msg) from error
        got = hashlib.sha256(data).hexdigest()
        if got != expected["sha256"]:
            msg = (
                f"{file}: got SHA-256 {got[:16]}..., expected "
                f"{expected['sha256'][:16]}... by {MANIFEST}. Build or copy the site again."
            )
            raise FormatError(msg)
        return data

    def program(self) -> Program:
        """The model's program.

        Raises:
            FormatError: program.json is of another version or misses a key.
        """
        data = json.loads(self.read(PROGRAM))
        if data.get("version") != VERSION:
            msg = (
                f"{self.folder / PROGRAM}: got version {data.get('version')!r}, expected "
                f"{VERSION}. Build the site again with this webgemma."
            )
            raise FormatError(msg)
        try:
            return program_from_json(data)
        except (KeyError, TypeError, ValueError) as error:
            msg = f"{self.folder / PROGRAM}: got no valid program ({error!r}). Build again."
            raise FormatError(msg) from error

    @property
    def program_sha256(self) -> str:
        """The SHA-256 of program.json, as the manifest has it."""
        return str(self.manifest["files"][PROGRAM]["sha256"])

    def shaders(self) -> dict[str, str]:
        """File -> WGSL text, of all shaders."""
        files = (path for path in self.manifest["files"] if path.endswith(".wgsl"))
        return {path: self.read(path).decode() for path in files}

    def shards(self) -> Iterator[list[tuple[str, NDArray[np.uint8]]]]:
        """The records of every shard, (name, bytes) each; one shard is in memory at a time."""
        weights = self.manifest["weights"]["path"]
        cache = json.loads(self.read(weights + TENSOR_CACHE))
        for shard in cache["records"]:
            yield list(self._records(weights + shard["dataPath"], shard["records"]))

    def _records(
        self, path: str, records: Sequence[Mapping[str, Any]]
    ) -> Iterator[tuple[str, NDArray[np.uint8]]]:
        data = np.frombuffer(self.read(path), np.uint8)
        for record in records:
            start = record["byteOffset"]
            yield record["name"], data[start : start + record["nbytes"]]


def open_site_model(site: str | Path, model: str | None = None) -> SiteModel:
    """Open a model of a site folder, or a model's own folder.

    Raises:
        ConfigError: there is no such model.
        FormatError: its files are damaged.
    """
    folder = model_folder(Path(site), model)
    return SiteModel(folder, read_manifest(folder))
