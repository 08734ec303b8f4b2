"""Writes a site folder: all of it, or nothing.

A site is built in a hidden folder beside its final place, flushed to the disk, and then renamed.
Whatever stops a build (an error, Ctrl-C, kill -9, a full disk), nothing half-written ever stands
under the final name, and a site that stood there before still does.

    with SiteWriter("site", force=True, expected_nbytes=2_000_000_000) as site:
        model = site.model("gemma", name="Gemma")
        with model.open("weights/params_shard_0.bin") as file:
            file.write(...)
        model.rename_folder("weights", f"weights-{model.digest('weights')}")
        model.add_json("program.json", program)
        model.finish(manifest)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BufferedWriter
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from webgemma.errors import ConfigError, FormatError
from webgemma.hosts import (
    HOST_FILES,
    check_expected_nbytes,
    check_host,
    check_weights_url,
    connect_sources,
    find_host,
    host_files,
)
from webgemma.layout import (
    INDEX,
    MANIFEST,
    SITE_VERSION,
    WEIGHTS_INDEX,
    check_model_id,
    check_relative_path,
    folder_of_weights,
)
from webgemma.staging import Staging, cannot_write, check_room
from webgemma.web import (
    WEB_PARTS,
    allow_connections,
    copy_web,
    headers_file,
    weights_headers_file,
    write_service_worker,
)

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

OTHER_PARTS = (*HOST_FILES, "models")
"""What else a site holds at its top level."""
SPARE_NBYTES = 16 * 1024 * 1024
"""Room for everything but the weights: page, shaders, program, tokenizer."""
DIGEST_LENGTH = 16
"""Hexadecimal digits of a digest that stand in a folder's name."""


def to_json(value: Any) -> bytes:
    """Write JSON as every file of a site has it: the same bytes for the same value.

    Raises:
        ValueError: a number is infinite or not a number.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1)
    return (text + "\n").encode()


class SiteWriter:
    """Builds a site; entering makes its hidden folder, leaving without an error publishes it."""

    def __init__(
        self,
        out: str | Path,
        *,
        force: bool = False,
        host: str = "any",
        weights_url: str | None = None,
        expected_nbytes: int = 0,
    ) -> None:
        """Check that a site may and can be written.

        Args:
            out: The site's folder.
            force: Replace a site that is there.
            host: Key of webgemma.hosts.HOSTS, whose limits the site must keep.
            weights_url: Where the weights will lie, if not in the site: they are written into a
                folder beside it (layout.folder_of_weights), for uploading there.
            expected_nbytes: About how much the models' weights will take.

        Raises:
            ConfigError: the folder is in use, the disk or the host has too little room, or there
                is no such host.
        """
        self.path = Path(out).resolve()
        self._host = host
        self._models: list[ModelWriter] = []
        self._staging: Staging | None = None
        self._weights_url = None if weights_url is None else check_weights_url(weights_url)
        self._weights_staging: Staging | None = None
        check_expected_nbytes(host, 0 if weights_url else expected_nbytes)
        check_may_write(self.path, force=force)
        if weights_url is not None:
            check_may_write_weights(folder_of_weights(self.path), force=force)
        check_room(self.path, expected_nbytes + SPARE_NBYTES)

    def __enter__(self) -> Self:
        self._staging = Staging(self.path)
        if self._weights_url is not None:
            self._weights_staging = Staging(folder_of_weights(self.path))
        try:
            for staging in self._stagings():
                staging.create()
        except BaseException:
            self._discard()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self._complete(self._entered().folder)
                for staging in self._stagings():
                    staging.publish()
        finally:
            self._discard()

    def model(self, model_id: str, *, name: str) -> ModelWriter:
        """Start the folder of a model; its `finish` must be called before the site is left."""
        check_model_id(model_id)
        if any(model.id == model_id for model in self._models):
            raise ConfigError(f"model id: got {model_id!r} twice. Choose another with --model-id.")
        folder = self._entered().folder / "models" / model_id
        shown = self.path / "models" / model_id
        url = None if self._weights_url is None else f"{self._weights_url}{model_id}/"
        writer = ModelWriter(folder, shown=shown, name=name, weights_url=url)
        self._models.append(writer)
        return writer

    def files(self) -> dict[str, int]:
        """Return path -> bytes of everything written so far."""
        folder = self._entered().folder
        return {
            path.relative_to(folder).as_posix(): path.stat().st_size
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name != ".lock"
        }

    def _entered(self) -> Staging:
        assert self._staging is not None, "a SiteWriter is used in a with statement"
        return self._staging

    def _stagings(self) -> list[Staging]:
        """The folders being written: weights come first, a site is nothing without them."""
        return [s for s in (self._weights_staging, self._staging) if s is not None]

    def _discard(self) -> None:
        for staging in self._stagings():
            staging.discard()
        self._staging = self._weights_staging = None

    def _complete(self, folder: Path) -> None:
        """Add the page and the index, and check the whole against the host."""
        assert self._models, "a site has a model"
        assert all(model.is_finished for model in self._models), "finish() was not called"
        index = [{"id": model.id, "name": model.name} for model in self._models]
        try:
            copy_web(folder)
            if self._weights_url is not None:
                allow_connections(folder, connect_sources(self._weights_url))
            contents = {"version": SITE_VERSION, "models": index}
            contents["shell"] = write_service_worker(folder)
            (folder / INDEX).write_bytes(to_json(contents))
            self._write_host_files(folder)
            if self._weights_staging is not None:
                self._move_weights(self._weights_staging.folder)
        except OSError as error:
            raise cannot_write(self.path, error) from error
        check_host(self._host, self.files())

    def _write_host_files(self, folder: Path) -> None:
        """Write what the host reads."""
        texts = host_files(self._host, " and ".join(model.name for model in self._models))
        if find_host(self._host).reads_headers:
            weights = [f"models/{m.id}/{p}" for m in self._models for p in m.hashed_folders]
            texts["_headers"] = headers_file(folder, [] if self._weights_url else weights)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")

    def _move_weights(self, folder: Path) -> None:
        """Move the weights of all models to a folder of their own, and say whose it is."""
        for model in self._models:
            (folder / model.id).mkdir()
            for name in model.hashed_folders:
                model.path(name).rename(folder / model.id / name)
        contents = {"version": SITE_VERSION, "weights": [model.id for model in self._models]}
        (folder / WEIGHTS_INDEX).write_bytes(to_json(contents))
        (folder / "_headers").write_text(weights_headers_file(), encoding="utf-8")


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

    @property
    def files(self) -> dict[str, dict[str, Any]]:
        """Path -> {"nbytes", "sha256"} of everything written, sorted by path."""
        return dict(sorted(self._files.items()))

    @property
    def nbytes(self) -> int:
        """The bytes written so far."""
        return sum(entry["nbytes"] for entry in self._files.values())

    @contextmanager
    def open(self, path: str) -> Iterator[HashingFile]:
        """Open a new file of the model for writing.

        Raises:
            ConfigError: the disk is full, or the file cannot be written for another reason.
        """
        check_relative_path(path, str(self._shown))
        taken = {name.lower() for name in (*self._files, MANIFEST)}
        if path.lower() in taken:
            raise FormatError(f"{self._shown}: got file {path!r} twice.")
        target = self._folder / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as raw:
                file = HashingFile(raw)
                yield file
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

    def __init__(self, raw: BufferedWriter) -> None:
        self._raw = raw
        self._hash = hashlib.sha256()
        self.nbytes = 0

    def write(self, data: ReadableBuffer) -> int:
        """Append bytes, or an array's bytes.

        Returns:
            How many.
        """
        view = memoryview(data).cast("B")
        self._hash.update(view)
        self._raw.write(view)
        self.nbytes += view.nbytes
        return view.nbytes

    def hexdigest(self) -> str:
        """Return the SHA-256 of what was written."""
        return self._hash.hexdigest()


def check_may_write(path: Path, *, force: bool) -> None:
    """Check that a site may be written to `path`.

    Raises:
        ConfigError: something is there that is not ours, or that `force` is needed to replace.
    """
    if path.exists() and not path.is_dir():
        raise ConfigError(f"{path}: got a file, expected a folder or nothing. Choose another -o.")
    if path == Path.cwd():
        raise ConfigError(
            f"{path}: got the current folder, expected another: a site's folder is replaced as a "
            "whole. Choose another -o, such as -o site."
        )
    if not path.is_dir() or not any(path.iterdir()):
        return
    if not _is_site(path):
        raise ConfigError(
            f"{path}: got a folder that is not empty and was not written by webgemma, expected "
            "an empty one or none. Choose another -o."
        )
    ours = {*WEB_PARTS.values(), *OTHER_PARTS}
    if not (path / ".gitattributes").exists():
        ours -= {"README.md"}  # it was not built for a Space: somebody else wrote it
    foreign = sorted(entry.name for entry in path.iterdir() if entry.name not in ours)
    if foreign:
        raise ConfigError(
            f"{path}: got {foreign[0]!r} in the site, which webgemma did not write and would "
            "delete. Move it away or choose another -o."
        )
    if not force:
        raise ConfigError(
            f"{path}: got a site that is there already. Replace it with --force or choose "
            "another -o."
        )


def check_may_write_weights(path: Path, *, force: bool) -> None:
    """Check that weights may be written to a folder of their own.

    Raises:
        ConfigError: something is there that is not ours, or that `force` is needed to replace.
    """
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    if not (path / WEIGHTS_INDEX).is_file():
        raise ConfigError(
            f"{path}: got something there that webgemma did not write, expected an empty folder "
            "or none for the weights. Choose another -o."
        )
    if not force:
        raise ConfigError(
            f"{path}: got weights that are there already. Replace them with --force or choose "
            "another -o."
        )


def _is_site(path: Path) -> bool:
    """Return whether `path` holds a site of this version."""
    try:
        index = json.loads((path / INDEX).read_bytes())
    except (OSError, ValueError):
        return False
    return (
        isinstance(index, dict)
        and index.get("version") == SITE_VERSION
        and isinstance(index.get("models"), list)
    )
