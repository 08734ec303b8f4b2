"""Sample pictures of a model that sees: into the site with their hashes, or refused by name."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.messages import message_of
from tests.support.seeing_folder import write_seeing
from webgemma import build_site
from webgemma.errors import ConfigError, FormatError
from webgemma.layout import find_model, read_manifest
from webgemma.sources.samples import MAX_SAMPLE_NBYTES, MAX_SAMPLES

PICTURES = Path(__file__).parent.parent / "models" / "opal" / "samples"
NAMES = [f"{number}-shapes.png" for number in range(2, 6)]


@pytest.fixture
def seeing(tmp_path: Path, fixtures: Path) -> Path:
    """A tiny model that sees, as a folder."""
    return write_seeing(tmp_path / "model", fixtures / "tokenizer.model")


def built(source: Path, **options: Any) -> tuple[Path, dict[str, Any]]:
    """(folder of the model, manifest)."""
    build_site(source, source.parent / "site", force=True, **options)
    folder = find_model(source.parent / "site")
    return folder, read_manifest(folder)


def check_samples(folder: Path, manifest: dict[str, Any]) -> None:
    """All four pictures are there, listed, and hashed."""
    assert manifest["samples"] == [f"samples/{name}" for name in NAMES]
    for name in NAMES:
        data = (PICTURES / name).read_bytes()
        assert (folder / "samples" / name).read_bytes() == data
        assert manifest["files"][f"samples/{name}"] == {
            "nbytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }


def test_pictures_of_the_models_folder(seeing: Path) -> None:
    shutil.copytree(PICTURES, seeing / "samples")
    (seeing / "samples" / "README.txt").write_text("not a picture")
    (seeing / "samples" / ".hidden.png").write_text("not a picture")
    folder, manifest = built(seeing)
    check_samples(folder, manifest)
    assert sorted(os.listdir(folder / "samples")) == NAMES


def test_pictures_of_another_folder(seeing: Path) -> None:
    (seeing / "samples").mkdir()
    (seeing / "samples" / "bad.png").write_text("not a picture")
    check_samples(*built(seeing, samples=PICTURES))


def test_none_are_not_mentioned(seeing: Path) -> None:
    (seeing / "samples").mkdir()
    folder, manifest = built(seeing)
    assert "samples" not in manifest
    assert not (folder / "samples").exists()


def test_a_model_of_text_takes_none(fixtures: Path, tmp_path: Path) -> None:
    assert message_of(
        ConfigError,
        lambda: build_site(fixtures / "gemma2-F16.gguf", tmp_path / "s", samples=PICTURES),
    ) == (
        f"--samples {PICTURES}: got sample pictures for gemma2, which takes text only, expected "
        "none. Leave --samples out."
    )
    assert os.listdir(tmp_path) == []


def test_bad_pictures_are_refused_and_leave_nothing(seeing: Path) -> None:
    folder = seeing / "samples"
    shutil.copytree(PICTURES, folder)
    again = " The file is damaged or incomplete; fetch it again."

    def refused(kind: type[Exception], **options: Any) -> str:
        message = message_of(kind, lambda: built(seeing, **options))
        assert os.listdir(seeing.parent) == ["model"]
        return message

    bad = folder / "a.png"
    bad.write_bytes((PICTURES / NAMES[0]).read_bytes()[:-1])
    assert refused(FormatError).startswith(f"{bad}: byte ")
    bad.write_bytes(b"GIF89a")
    assert refused(FormatError) == (
        f"{bad}: got a file that is not PNG, expected a PNG file. Save the picture as PNG."
    )
    with bad.open("wb") as file:
        file.truncate(MAX_SAMPLE_NBYTES + 1)
    assert refused(FormatError) == (
        f"{bad}: size: got 2,097,153 bytes, expected at most 2,097,152.{again}"
    )
    bad.unlink()
    bad.mkdir()
    assert refused(ConfigError) == f"{bad}: not a regular file. Give a file of a model."
    bad.rmdir()
    spaced = folder / "a b.png"
    spaced.touch()
    assert refused(FormatError) == (
        f"{folder}: name of a sample picture: got 'a b.png', expected up to 64 letters, digits "
        "and ._-. Rename it."
    )
    spaced.unlink()
    for number in range(MAX_SAMPLES - 3):
        shutil.copy(PICTURES / NAMES[0], folder / f"{number}.png")
    assert refused(ConfigError) == (
        f"{folder}: got 13 PNG files, expected 1 to 12 sample pictures. Give a folder of those "
        "that the page should offer."
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nowhere", "no such folder. Give one of PNG files."),
        (
            "empty",
            "got 0 PNG files, expected 1 to 12 sample pictures. Give a folder of those that the "
            "page should offer.",
        ),
    ],
)
def test_a_folder_without_pictures(seeing: Path, name: str, expected: str) -> None:
    (seeing / "empty").mkdir()
    folder = seeing / name
    assert message_of(ConfigError, lambda: built(seeing, samples=folder)) == f"{folder}: {expected}"


def test_what_to_ask_first_is_in_the_manifest(seeing: Path) -> None:
    prompts = ["caption en", "count circles"]
    (seeing / "generation_config.json").write_text(json.dumps({"prompts": prompts}))
    assert built(seeing)[1]["generation"]["prompts"] == prompts
