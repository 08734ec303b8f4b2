"""A model's files that somebody has on a disk already are taken from there, by the page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from damage import change_json

from webgemma.serve import serving

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]


@pytest.fixture
def folder(tiny_site: Path, tmp_path: Path) -> Path:
    """The model's folder as somebody has it on a disk, in another and among other files."""
    folder = tmp_path / "disk/deep/tiny"
    shutil.copytree(tiny_site / "models/tiny", folder)
    (tmp_path / "disk/notes.txt").write_text("not of the model")
    return tmp_path / "disk"


def make_large(manifest: Any) -> None:
    manifest["weights"]["nbytes"] = 262_000_000


@pytest.fixture
def page(tiny_copy: Path, open_page: Any) -> Iterator[Page]:
    """The page that offers to load the model."""
    change_json(tiny_copy, "webgemma.json", make_large)
    with serving(tiny_copy) as server:
        watched = open_page(server)
        page: Page = watched.goto("?max_tokens=5")
        page.get_by_role("button", name="Load 262 MB").wait_for()
        page.evaluate("window.fetched = performance.getEntriesByType('resource').length")
        yield page
        watched.check()


def status(page: Page, text: str) -> str:
    line = page.locator(".weights-import [role=status]", has_text=text)
    line.wait_for()
    return line.inner_text()


def shards_fetched(page: Page) -> list[str]:
    names: list[str] = page.evaluate(
        "performance.getEntriesByType('resource').map(({ name }) => name)"
    )
    return [name for name in names if name.endswith(".bin")]


def pick(page: Page, files: Any, kind: str) -> None:
    page.locator(f".weights-import input{kind}").set_input_files(files)


FOLDER = "[webkitdirectory]"
FILES = ":not([webkitdirectory])"


def test_a_folder_that_was_chosen_loads_the_model(page: Page, folder: Path) -> None:
    pick(page, folder, FOLDER)
    page.locator(".prompt").first.wait_for()
    page.fill("#input", "hello")
    page.press("#input", "Enter")
    page.locator(".facts").wait_for()
    assert page.inner_text(".facts").startswith("5 tokens")
    assert shards_fetched(page) == []


def test_a_folder_that_was_dropped_loads_the_model(page: Page, folder: Path) -> None:
    box = page.locator(".weights-import").bounding_box()
    assert box
    devtools = page.context.new_cdp_session(page)
    place = {"x": box["x"] + 30, "y": box["y"] + 20}
    data = {"items": [], "files": [str(folder)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver"):
        devtools.send("Input.dispatchDragEvent", {"type": kind, **place, "data": data})
    page.locator(".weights-import.is-over").wait_for()
    devtools.send("Input.dispatchDragEvent", {"type": "drop", **place, "data": data})
    page.locator(".prompt").first.wait_for()
    assert shards_fetched(page) == []


def test_what_is_missing_is_named(page: Page, folder: Path) -> None:
    paths = sorted(path for path in folder.rglob("*") if path.name == "params_shard_0.bin")
    pick(page, [*paths, folder / "notes.txt"], FILES)
    text = status(page, "taken")
    assert text.startswith("1 taken. Still missing: ")
    assert text.endswith(" more.")
    assert "params_shard_0.bin" not in text
    assert page.get_by_role("button", name="Load 262 MB").is_visible()


def test_files_of_something_else_are_not_taken(page: Page, folder: Path) -> None:
    pick(page, folder / "notes.txt", FILES)
    assert status(page, "None") == "None of these files is of this build of Tiny."
    shard = next(folder.rglob("params_shard_0.bin"))
    shard.write_bytes(shard.read_bytes()[::-1])  # the right size, and damaged
    pick(page, shard, FILES)
    assert status(page, "None") == "None of these files is of this build of Tiny."


def test_the_settings_take_them_too(tiny_site: Path, folder: Path, open_page: Any) -> None:
    with serving(tiny_site) as server:
        watched = open_page(server)
        page = watched.goto("?max_tokens=5")
        page.locator(".prompt").first.wait_for()
        page.click("#settings-button")
        page.get_by_role("button", name="Delete Tiny from this device").click()
        page.get_by_text("Nothing yet").wait_for()
        pick(page, folder, FOLDER)
        assert status(page, "All") == "All of Tiny is on this device."
        watched.check()
