"""What the page shows when something is missing, damaged, large or many."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from damage import change_json, shard

from webgemma.serve import serving

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

OpenPage = Callable[..., Any]


def panel(page: Page) -> tuple[str, str, str]:
    """The error panel's title, text and button."""
    page.locator(".panel").wait_for()
    text = "\n".join(page.locator(".panel p").all_inner_texts())
    return page.inner_text(".panel h2"), text, page.inner_text(".panel button")


def chat(page: Page) -> str:
    page.locator(".prompt").first.wait_for()
    return ask(page)


def ask(page: Page) -> str:
    page.fill("#input", "hello")
    page.press("#input", "Enter")
    page.locator(".facts").wait_for()
    return page.inner_text(".facts")


def test_a_damaged_shard_is_named_and_can_be_tried_again(
    tiny_copy: Path, open_page: OpenPage
) -> None:
    path = shard(tiny_copy)
    good = path.read_bytes()
    path.write_bytes(b"\0" + good[1:])
    with serving(tiny_copy) as server:
        page = open_page(server).goto("?max_tokens=5")
        title, text, button = panel(page)
        assert title == "A file of this model is damaged"
        assert "params_shard_1.bin: got SHA-256 " in text
        assert page.locator("#composer").is_hidden()
        path.write_bytes(good)
        assert button == "Try again"
        page.click(".panel button")
        assert chat(page).startswith("5 tokens")


def test_a_site_without_models_says_so(tiny_copy: Path, open_page: OpenPage) -> None:
    (tiny_copy / "models/index.json").write_text('{"version": 1, "models": []}')
    with serving(tiny_copy) as server:
        title, text, _ = panel(open_page(server).goto("?max_tokens=5"))
    assert title == "The model could not be downloaded"
    assert text == (
        "Models/index.json: got no models (status 200), expected at least one. "
        "Upload the whole site folder again."
    )


def test_a_browser_without_webgpu_is_told_which_ones_have_it(
    tiny_site: Path, open_page: OpenPage
) -> None:
    with serving(tiny_site) as server:
        watched = open_page(server)
        # A worker has its own navigator, out of reach of init scripts: change what it loads.
        watched.page.route("**/webgemma/shared.js", without_webgpu)
        title, text, _ = panel(watched.goto("?max_tokens=5"))
    assert title == "The GPU cannot run this model"
    assert text.startswith("This browser has no WebGPU (navigator.gpu).")
    for browser in ("Chrome", "Edge", "Safari 26", "Firefox 141"):
        assert browser in text


def without_webgpu(route: Route) -> None:
    response = route.fetch()
    change = "delete (globalThis.WorkerNavigator ?? globalThis.Navigator).prototype.gpu;\n"
    body = change + response.text()
    route.fulfill(response=response, body=body)


def test_a_base_model_is_refused_before_its_download(tiny_copy: Path, open_page: OpenPage) -> None:
    change_json(tiny_copy, "webgemma.json", lambda manifest: manifest.update(chat=None))
    with serving(tiny_copy) as server:
        watched = open_page(server)
        requests: list[str] = []
        watched.page.on("request", lambda request: requests.append(request.url))
        title, text, _ = panel(watched.goto("?max_tokens=5"))
    assert title == "This is not supported"
    assert text.startswith("Tiny has no chat template: it continues text and does not chat.")
    assert not [url for url in requests if url.endswith(".bin")]


def make_large(manifest: Any) -> None:
    manifest["weights"]["nbytes"] = 262_000_000


def test_a_large_model_is_loaded_when_somebody_says_so(
    tiny_copy: Path, open_page: OpenPage
) -> None:
    change_json(tiny_copy, "webgemma.json", make_large)
    with serving(tiny_copy) as server:
        watched = open_page(server)
        page = watched.goto("?max_tokens=5")
        button = page.get_by_role("button", name="Load 262 MB")
        button.wait_for()
        assert page.locator("#composer").is_hidden()
        button.click()
        assert chat(page).startswith("5 tokens")
        watched.check()


def test_a_large_download_can_be_cancelled_and_begun_again(
    tiny_copy: Path, open_page: OpenPage
) -> None:
    change_json(tiny_copy, "webgemma.json", make_large)
    with serving(tiny_copy) as server:
        watched = open_page(server)
        page = watched.goto("?max_tokens=5")
        page.route("**/params_shard_1.bin", lambda route: None)  # never answers
        page.get_by_role("button", name="Load 262 MB").click()
        page.get_by_role("button", name="Cancel").click()
        page.get_by_role("button", name="Load 262 MB").wait_for()
        assert page.locator(".panel").count() == 0
        page.unroute_all(behavior="ignoreErrors")
        page.get_by_role("button", name="Load 262 MB").click()
        assert chat(page).startswith("5 tokens")


def test_several_models_can_be_chosen(tiny_copy: Path, open_page: OpenPage) -> None:
    models = tiny_copy / "models"
    shutil.copytree(models / "tiny", models / "other")
    manifest = models / "other/webgemma.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"id": "other"}))
    names = [{"id": "tiny", "name": "Tiny"}, {"id": "other", "name": "Other"}]
    (models / "index.json").write_text(json.dumps({"version": 1, "models": names}))
    with serving(tiny_copy) as server:
        watched = open_page(server)
        page = watched.goto("?model=other&max_tokens=5")
        assert chat(page).startswith("5 tokens")
        assert page.input_value("#model-select") == "other"
        page.fill("#input", "again")
        page.press("#input", "Enter")  # the reply may still be written when the model goes
        page.select_option("#model-select", "tiny")
        page.locator(".message").first.wait_for(state="detached")
        assert chat(page).startswith("5 tokens")
        watched.check()


def test_the_site_works_under_a_sub_path(tiny_site: Path, tmp_path: Path, open_page: Any) -> None:
    outer = tmp_path / "outer"
    shutil.copytree(tiny_site, outer)
    shutil.copytree(tiny_site, outer / "deep/er")
    shutil.rmtree(outer / "webgemma")  # whatever is not relative fails
    shutil.rmtree(outer / "app")
    with serving(outer) as server:
        watched = open_page(server)
        assert chat(watched.goto("deep/er/?max_tokens=5")).startswith("5 tokens")
        watched.check()


def test_a_message_that_failed_is_replaced_by_the_next(
    tiny_site: Path, open_page: OpenPage
) -> None:
    with serving(tiny_site) as server:
        page = open_page(server).goto("?context=100&max_tokens=5")
        page.locator(".prompt").first.wait_for()
        page.fill("#input", "x" * 500)
        page.press("#input", "Enter")
        assert panel(page)[0] == "This chat is full"
        assert ask(page).startswith("5 tokens")
        assert page.locator(".user").all_inner_texts() == ["hello"]
        assert page.locator(".panel").count() == 0
