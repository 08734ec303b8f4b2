"""The page without a network, and after its site was rebuilt: always one whole build of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tiny
from faults import FaultyServer, faulty, refused

from webgemma.web import copy_web

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.slow]

Build = Callable[[str], None]


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    """Build the site again, of a page whose files say which build they are of."""

    def build_(mark: str) -> None:
        def copy_marked(folder: Path, **options: Any) -> None:
            copy_web(folder, **options)
            for name in ("app/main.js", "webgemma/worker.js", "webgemma/index.js"):
                path = folder / name
                path.write_text(f"globalThis.build_of_{path.stem} = '{mark}';\n{path.read_text()}")

        monkeypatch.setattr("webgemma.site.writer.copy_web", copy_marked)
        tiny.write_site(tmp_path / "site", force=True)

    return build_


@pytest.fixture
def server(tmp_path: Path, build: Build) -> Iterator[FaultyServer]:
    build("first")
    with faulty(tmp_path / "site") as running:
        yield running


def first_visit(server: FaultyServer, open_page: Any) -> Any:
    watched = open_page(server, service_workers="allow")
    page: Page = watched.goto("?max_tokens=5")
    page.locator(".prompt").first.wait_for()
    page.evaluate("async () => { await navigator.serviceWorker.ready; }")
    return watched


def ask(page: Page) -> str:
    page.locator(".prompt:visible, .assistant").first.wait_for()
    if page.locator("#new-chat").is_visible():
        page.click("#new-chat")  # the page found the chat of the visit before
    page.fill("#input", "hello")
    page.press("#input", "Enter")
    page.locator(".facts").wait_for()
    return page.locator(".assistant .markdown").inner_text()


def marks(page: Page) -> list[str]:
    return page.evaluate("() => [globalThis.build_of_main, globalThis.build_of_index]")


def test_the_page_answers_without_a_network_after_its_first_load(
    server: FaultyServer, open_page: Any
) -> None:
    watched = first_visit(server, open_page)
    page = watched.page
    online = ask(page)
    server.fail("*", refused)
    page.reload()
    assert ask(page) == online
    page.goto(server.url + "index.html?max_tokens=5")
    assert ask(page) == online
    assert watched.foreign == []
    assert page.evaluate("window.violations") == []


def test_a_rebuilt_site_is_shown_at_the_next_visit_and_whole(
    server: FaultyServer, open_page: Any, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = first_visit(server, open_page)
    old = ask(watched.page)
    changed = (tiny.BIAS + 5) % tiny.V
    monkeypatch.setattr(tiny, "BIAS", changed)
    build("second")
    page = watched.goto("?max_tokens=5")
    page.wait_for_event("load")  # of the new page, after the old one saw that it was old
    new = ask(page)
    assert marks(page) == ["second", "second"]
    assert new != old
    server.fail("*", refused)
    page.reload()
    assert (ask(page), marks(page)) == (new, ["second", "second"])


def test_a_site_in_the_middle_of_its_upload_is_not_mixed(
    server: FaultyServer, open_page: Any, build: Build
) -> None:
    watched = first_visit(server, open_page)
    index = server.root / "webgemma/index.js"
    old = index.read_bytes()
    build("second")
    new = index.read_bytes()
    index.write_bytes(old)  # everything else has been uploaded
    page = watched.goto("?max_tokens=5")
    page.locator(".panel").wait_for()
    assert page.inner_text(".panel p").startswith("This page is older than the models of its site.")
    assert marks(page) == ["first", "first"]
    index.write_bytes(new)
    with page.expect_event("load"):
        page.click(".panel button")
    ask(page)
    assert marks(page) == ["second", "second"]


def test_a_rebuilt_site_waits_for_the_other_tab(
    server: FaultyServer, open_page: Any, build: Build
) -> None:
    watched = first_visit(server, open_page)
    build("second")
    other = watched.page.context.new_page()
    other.goto(server.url + "?max_tokens=5")
    other.locator(".panel").wait_for()
    assert "Close its other tabs and try again" in other.inner_text(".panel p")
    ask(watched.page)  # which goes on as it was
    watched.page.close()
    with other.expect_event("load"):
        other.click(".panel button")
    ask(other)
    assert marks(other) == ["second", "second"]


def test_a_visit_without_a_network_before_the_update_shows_the_old_site(
    server: FaultyServer, open_page: Any, build: Build
) -> None:
    watched = first_visit(server, open_page)
    old = ask(watched.page)
    build("second")
    server.fail("*", refused)
    page = watched.goto("?max_tokens=5")
    assert (ask(page), marks(page)) == (old, ["first", "first"])


def test_an_address_that_another_site_has_now_is_given_back(
    server: FaultyServer, open_page: Any
) -> None:
    watched = first_visit(server, open_page)
    (server.root / "models/index.json").unlink()
    (server.root / "index.html").write_text("<!doctype html><p>Another site.</p>")
    page = watched.goto("")
    page.get_by_text("Another site.").wait_for()
