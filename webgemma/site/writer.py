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

from pathlib import Path
from types import TracebackType
from typing import Self

from webgemma.errors import ConfigError
from webgemma.hosts import (
    check_expected_nbytes,
    check_host,
    check_weights_url,
    connect_sources,
    find_host,
    host_files,
)
from webgemma.layout import INDEX, SITE_VERSION, WEIGHTS_INDEX, check_model_id, folder_of_weights
from webgemma.site.branding import CheckedBranding
from webgemma.site.lay_branding import lay_branding
from webgemma.site.model_folder import ModelWriter, to_json
from webgemma.site.overwrite import check_may_write, check_may_write_weights
from webgemma.staging import Staging, cannot_write, check_room
from webgemma.web import (
    allow_connections,
    copy_web,
    headers_file,
    weights_headers_file,
    write_service_worker,
)

SPARE_NBYTES = 16 * 1024 * 1024
"""Room for everything but the weights: page, shaders, program, tokenizer."""


class SiteWriter:
    """Builds a site; entering makes its hidden folder, leaving without an error publishes it."""

    def __init__(
        self,
        out: str | Path,
        *,
        force: bool = False,
        host: str = "any",
        weights_url: str | None = None,
        structured_output: bool = False,
        branding: CheckedBranding | None = None,
        expected_nbytes: int = 0,
    ) -> None:
        """Check that a site may and can be written.

        Args:
            out: The site's folder.
            force: Replace a site that is there.
            host: Key of webgemma.hosts.HOSTS, whose limits the site must keep.
            weights_url: Where the weights will lie, if not in the site: they are written into a
                folder beside it (layout.folder_of_weights), for uploading there.
            structured_output: With what holds replies to JSON in the page.
            branding: What makes the page one's own.
            expected_nbytes: About how much the models' weights will take.

        Raises:
            ConfigError: the folder is in use, the disk or the host has too little room, or there
                is no such host.
        """
        self.path = Path(out).resolve()
        self._host = host
        self._structured_output = structured_output
        self._branding = branding
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
            self._lay_page(self._staging.folder)
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

    def _lay_page(self, folder: Path) -> None:
        """Lay the page's files, which know no model, into the folder."""
        try:
            copy_web(folder, structured_output=self._structured_output)
            if self._weights_url is not None:
                allow_connections(folder, connect_sources(self._weights_url))
            if self._branding is not None:
                lay_branding(folder, self._branding)
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def _complete(self, folder: Path) -> None:
        """Add what names the models and the page's files, and check the whole against the host."""
        assert self._models, "a site has a model"
        assert all(model.is_finished for model in self._models), "finish() was not called"
        index = [{"id": model.id, "name": model.name} for model in self._models]
        try:
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
        texts = host_files(self._host, self._title())
        if find_host(self._host).reads_headers:
            weights = [f"models/{m.id}/{p}" for m in self._models for p in m.hashed_folders]
            texts["_headers"] = headers_file(folder, [] if self._weights_url else weights)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")

    def _title(self) -> str:
        """What people call the site."""
        own = None if self._branding is None else self._branding.words.get("title")
        return own or " and ".join(model.name for model in self._models)

    def _move_weights(self, folder: Path) -> None:
        """Move the weights of all models to a folder of their own, and say whose it is."""
        for model in self._models:
            (folder / model.id).mkdir()
            for name in model.hashed_folders:
                model.path(name).rename(folder / model.id / name)
        contents = {"version": SITE_VERSION, "weights": [model.id for model in self._models]}
        (folder / WEIGHTS_INDEX).write_bytes(to_json(contents))
        (folder / "_headers").write_text(weights_headers_file(), encoding="utf-8")
