"""Where things lie in a site folder, and reading what was written there.

    index.html  app/  webgemma/  vendor/  manifest.webmanifest  _headers  .nojekyll
    models/index.json
    models/<id>/webgemma.json  program.json  shaders/  tokenizer.json  weights-<hash>/  ...

The site's writer, the local server, the inspector and the native runner share this page. Contract:
docs/program.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from webgemma.errors import ConfigError, FormatError, UnsupportedError

SITE_VERSION = 1
"""Of models/index.json and webgemma.json."""
INDEX = "models/index.json"
MANIFEST = "webgemma.json"
PROGRAM = "program.json"
TENSOR_CACHE = "ndarray-cache.json"
"""MLC's older name of it; see docs/program.md."""
SELF_TEST, SELF_TEST_DATA = "self-test.json", "self-test.bin"
WEIGHTS_INDEX = "weights.json"
"""In a folder of weights that lies beside its site: whose they are."""
MAX_JSON_NBYTES = 64 * 1024 * 1024
"""More than any program.json of a real model; a bound on what a foreign file makes us read."""

_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}")
_MODEL_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def check_relative_path(path: str, where: str) -> str:
    """Return `path` if it stays inside its folder on every system and needs no URL escapes.

    Raises:
        FormatError: a component is empty, hidden, too long or of other characters.
    """
    if not all(_FILE_NAME.fullmatch(part) for part in path.split("/")):
        raise FormatError(
            f"{where}: got file name {path!r}, expected letters, digits and ._+- in components "
            "that do not start with a dot. The folder was not written by webgemma."
        )
    return path


def check_model_id(model_id: str) -> str:
    """Return `model_id` if it may name a folder below models/.

    Raises:
        ConfigError: it may not.
    """
    if not _MODEL_ID.fullmatch(model_id) or model_id == "index.json":
        raise ConfigError(
            f"model id: got {model_id!r}, expected up to 64 of a-z, 0-9, '.', '_' and '-', "
            "starting with a letter or digit. Choose another with --model-id."
        )
    return model_id


def read_json(path: Path) -> Any:
    """Read one of the site's JSON files.

    Raises:
        FormatError: it is missing, too large, or not JSON.
    """
    try:
        nbytes = path.stat().st_size
        if nbytes > MAX_JSON_NBYTES:
            raise FormatError(
                f"{path}: got {nbytes} bytes, expected at most {MAX_JSON_NBYTES}. "
                "Build the site again."
            )
        return json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise FormatError(f"{path}: got no such file. Build the site again.") from error
    except OSError as error:
        raise FormatError(f"{path}: cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{path}: got text that is not JSON. Build the site again.") from error


def read_index(site: Path) -> list[dict[str, str]]:
    """Return the models of a site: {"id", "name"} each.

    Raises:
        FormatError: the folder is no site, or its index is broken.
        UnsupportedError: the site is of another version.
    """
    if not site.is_dir():
        raise FormatError(f"{site}: got no such folder, expected a site that webgemma built.")
    path = site / INDEX
    if not path.is_file():
        raise FormatError(
            f"{site}: got no {INDEX}, expected a site that webgemma built. "
            f"Build one with: webgemma build MODEL -o {site}"
        )
    index = read_json(path)
    models = index.get("models") if isinstance(index, dict) else None
    if not isinstance(models, list) or not all(
        isinstance(m, dict) and isinstance(m.get("id"), str) and isinstance(m.get("name"), str)
        for m in models
    ):
        raise FormatError(f"{path}: got no list of models. Build the site again.")
    _check_version(path, index)
    return models


def find_model(site: Path, model: str | None = None) -> Path:
    """Return the folder of a site's model: the one with id `model`, or the only one.

    Raises:
        ConfigError: the site has no such model, or several and none is named.
        FormatError: the folder is no site.
    """
    ids = [entry["id"] for entry in read_index(site)]
    if not ids or (model is not None and model not in ids):
        raise ConfigError(
            f"{site}: got model {model!r}, expected one of: {', '.join(ids) or 'none there'}."
        )
    if model is None and len(ids) > 1:
        raise ConfigError(
            f"{site}: got a site of {len(ids)} models, expected one of them to be named: "
            f"{', '.join(ids)}. Choose with --model ID, or give the folder {site}/models/ID."
        )
    return site / "models" / check_model_id(ids[0] if model is None else model)


def is_site(path: Path) -> bool:
    """Return whether `path` is a site, or the folder of one of its models."""
    return (path / INDEX).is_file() or (path / MANIFEST).is_file()


def model_folder(path: Path, model: str | None = None) -> Path:
    """Return the folder of a model, given a site or that folder itself.

    Raises:
        ConfigError: the site has no such model.
        FormatError: the folder is no site.
    """
    return path if (path / MANIFEST).is_file() else find_model(path, model)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return webgemma.json of a model's folder, with the paths it names checked.

    Raises:
        FormatError: it is missing or broken.
        UnsupportedError: it is of another version.
    """
    path = folder / MANIFEST
    manifest = read_json(path)
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise FormatError(f"{path}: got no object with 'files'. Build the site again.")
    _check_version(path, manifest)
    for name in manifest["files"]:
        check_relative_path(name, str(path))
    return manifest


def folder_of_weights(site: Path) -> Path:
    """Return the folder beside a site that holds its weights, where --weights-url is used."""
    return site.with_name(f"{site.name}-weights")


def find_file(folder: Path, manifest: Mapping[str, Any], path: str) -> Path:
    """Return a file of a model: in its folder or, weights of --weights-url, beside the site.

    Args:
        folder: The model's.
        manifest: Its webgemma.json.
        path: As the manifest names it.

    Raises:
        FormatError: the weights are elsewhere, and not on this machine.
    """
    weights = manifest.get("weights", {})
    inside = folder / path
    if "url" not in weights or not path.startswith(weights["path"]) or inside.is_file():
        return inside
    beside: Path = folder_of_weights(folder.resolve().parents[1]) / folder.name / path
    if beside.is_file():
        return beside
    raise FormatError(
        f"{inside}: got no such file, expected it there or at {beside}. The site keeps its "
        f"weights at {weights['url']}: copy them from there."
    )


def _check_version(path: Path, value: dict[str, Any]) -> None:
    version = value.get("version")
    if version != SITE_VERSION:
        raise UnsupportedError(
            f"{path}: got version {version!r}, expected {SITE_VERSION}. "
            "Build the site again with this webgemma."
        )
