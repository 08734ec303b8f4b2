"""The pages of docs/examples, as somebody would put them beside a built site."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hosting import hosting

from webgemma.serve import SiteServer, serving

if TYPE_CHECKING:
    from playwright.sync_api import FrameLocator, Page

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]

EXAMPLES = Path(__file__).parents[2] / "docs/examples"


@pytest.fixture(scope="module")
def site(pebble: SiteServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built-in model's site with the examples beside its page."""
    folder = tmp_path_factory.mktemp("examples") / "site"
    shutil.copytree(pebble.root, folder)
    for path in EXAMPLES.glob("*.html"):
        shutil.copy(path, folder)
    return folder


@pytest.fixture(scope="module")
def server(site: Path) -> Iterator[SiteServer]:
    with serving(site) as running:
        yield running


@pytest.fixture(scope="module")
def bare_server(site: Path) -> Iterator[SiteServer]:
    """The same from a host that sends no policy: scripts may stand in pages."""
    with serving(site) as running:
        running.policy = None
        yield running


def test_the_engine_alone(bare_server: SiteServer, open_page: Any) -> None:
    watched = open_page(bare_server)
    page = watched.goto("engine.html")
    page.get_by_text("Pebble is ready.").wait_for()
    page.fill("input", "Hello!")
    page.get_by_role("button", name="Ask").click()
    page.wait_for_function("document.querySelector('output').textContent.length > 3")
    page.locator("button:enabled").wait_for()
    assert "bytes" not in page.inner_text("output")
    watched.check()


def open_chat(page: Page) -> FrameLocator:
    page.get_by_role("button", name="Ask Pebble").click()
    chat = page.frame_locator("iframe[title='Ask Pebble']")
    chat.locator(".prompt").first.wait_for()
    return chat


def test_the_widget_loads_nothing_before_it_is_opened(server: SiteServer, open_page: Any) -> None:
    watched = open_page(server, viewport={"width": 1000, "height": 700})
    requests: list[str] = []
    watched.page.on("request", lambda request: requests.append(request.url))
    page = watched.goto("widget.html")
    launch = page.get_by_role("button", name="Ask Pebble")
    launch.wait_for()
    page.wait_for_timeout(300)
    assert requests == [f"{server.url}widget.html", f"{server.url}widget.js"]
    assert launch.get_attribute("aria-expanded") == "false"

    chat = open_chat(page)
    assert launch.get_attribute("aria-expanded") == "true"
    assert page.get_by_role("dialog", name="Ask Pebble").is_visible()
    assert any(url.endswith(".bin") for url in requests)
    assert chat.locator("#chats").is_hidden()
    chat.locator("#input").fill("Hello!")
    chat.locator("#input").press("Enter")
    chat.locator(".facts").wait_for()
    assert len(chat.locator(".assistant .markdown").inner_text()) > 3
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 1000
    watched.check()


def test_the_widget_is_used_by_keyboard(server: SiteServer, open_page: Any) -> None:
    watched = open_page(server)
    page = watched.goto("widget.html")
    launch = page.get_by_role("button", name="Ask Pebble")
    launch.wait_for()
    panel = page.locator("section[role=dialog]")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    chat = page.frame_locator("iframe[title='Ask Pebble']")
    chat.locator(".prompt").first.wait_for()
    chat.locator("#input").focus()
    page.keyboard.press("Escape")  # in the frame
    panel.wait_for(state="hidden")
    assert launch.get_attribute("aria-expanded") == "false"
    page.keyboard.press("Enter")  # the focus went back to the button
    panel.wait_for()
    page.get_by_role("button", name="Close").focus()
    page.keyboard.press("Escape")  # beside the frame
    panel.wait_for(state="hidden")
    watched.check()


def test_escape_first_stops_a_reply(server: SiteServer, open_page: Any) -> None:
    page = open_page(server).goto("widget.html")
    chat = open_chat(page)
    chat.locator("#input").fill("Tell me a story.")
    chat.locator("#input").press("Enter")
    chat.locator(".assistant .markdown > *").first.wait_for()
    page.keyboard.press("Escape")
    chat.locator(".facts").wait_for()
    assert "stopped" in chat.locator(".facts").inner_text()
    assert page.locator("section[role=dialog]").is_visible()


def test_the_widget_fills_a_phone(server: SiteServer, open_page: Any) -> None:
    watched = open_page(server, viewport={"width": 360, "height": 640})
    page = watched.goto("widget.html")
    chat = open_chat(page)
    box = page.locator("section[role=dialog]").bounding_box()
    assert (box["x"], box["y"], box["width"], box["height"]) == (0, 0, 360, 640)
    send = chat.locator("#send").bounding_box()
    assert send["x"] + send["width"] <= 360
    assert send["y"] + send["height"] <= 640
    page.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Ask Pebble").wait_for()


def test_the_widget_works_in_a_page_of_another_origin(
    site: Path, tmp_path: Path, open_page: Any
) -> None:
    """On hosts that send no policy of ours; under a strict one of the page around it."""
    with hosting(site) as url:
        policy = f"default-src 'none'; script-src {url}widget.js; frame-src {url}"
        meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        text = (EXAMPLES / "widget.html").read_text()
        text = text.replace("<head>", f"<head>{meta}").replace("./widget.js", f"{url}widget.js")
        (tmp_path / "index.html").write_text(text)
        (tmp_path / "models").mkdir()
        (tmp_path / "models/index.json").write_text('{"version": 1, "models": []}')
        with serving(tmp_path) as elsewhere:
            elsewhere.policy = None
            watched = open_page(elsewhere)
            chat = open_chat(watched.goto("index.html"))
            chat.locator("#input").fill("Hello!")
            chat.locator("#input").press("Enter")
            chat.locator(".facts").wait_for()
            assert watched.problems == []
            assert watched.page.evaluate("window.violations") == []
