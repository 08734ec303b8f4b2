"""The page's diagnostics: opened, measured, copied, also where no model loads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from webgemma.serve import SiteServer

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]

SECRET = "Tell me about hippopotamuses."
PANEL = "dialog.diagnostics"


@pytest.fixture(scope="module")
def watched(pebble: SiteServer, open_page: Any) -> Iterator[Any]:
    watched = open_page(pebble, permissions=["clipboard-read", "clipboard-write"])
    watched.goto("?temperature=0&context=512&max_tokens=8").wait_for_selector(".prompt")
    yield watched
    watched.check()


def open_panel(page: Page) -> None:
    page.click("#settings-button")
    page.get_by_role("button", name="Diagnostics").click()
    page.locator(f"{PANEL} dd").first.wait_for()


def test_it_shows_the_model_the_memory_and_the_device(watched: Any) -> None:
    page = watched.page
    open_panel(page)
    text = page.inner_text(PANEL)
    for part in (
        "Pebble (pebble), gemma2",
        "512 tokens",
        "Variant",
        "Planned",
        "Self-test",
        "OPFS",
    ):
        assert part in text
    assert not page.locator("#settings").is_visible()
    assert not page.get_by_text("maxBufferSize").is_visible()
    page.get_by_text("Limits of the adapter").click()
    assert page.get_by_text("maxBufferSize").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator(PANEL).is_visible()


def test_it_measures_and_copies_a_report_without_the_chat(watched: Any) -> None:
    page = watched.page
    page.fill("#input", SECRET)
    page.press("#input", "Enter")
    page.locator(".facts").wait_for()
    open_panel(page)
    page.get_by_role("button", name="Measure").click()
    page.get_by_role("heading", name="Kernels of a token").wait_for()
    assert page.locator(f"{PANEL} tbody tr").count() > 10
    page.get_by_role("button", name="Copy report").click()
    page.get_by_text("Copied.").wait_for()
    report = page.evaluate("navigator.clipboard.readText()")
    assert report.startswith("## webgemma diagnostics\n\n### Device\n")
    for part in ("### Model", "### Memory", "### Speed", "### Kernels of a token", "### Limits"):
        assert f"\n{part}\n" in report
    reply = page.locator(".assistant .markdown").last.inner_text().strip()
    assert "hippo" not in report.lower()
    assert reply not in report
    page.get_by_role("button", name="Close").click()
    page.fill("#input", SECRET)
    page.press("#input", "Enter")
    page.locator(".facts").nth(1).wait_for()  # the chat goes on


def test_closing_ends_the_measurement(watched: Any) -> None:
    page = watched.page
    open_panel(page)
    page.get_by_role("button", name="Measure").click()
    page.get_by_text("Measuring, ").wait_for()
    page.keyboard.press("Escape")
    page.locator(f"{PANEL} .status", has_text="stopped").wait_for(state="attached")


def test_a_phone_has_room_for_it(watched: Any) -> None:
    page = watched.page
    page.set_viewport_size({"width": 360, "height": 640})
    open_panel(page)
    box = page.locator(PANEL).bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 360
    assert box["y"] + box["height"] <= 640
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.keyboard.press("Escape")


def test_it_opens_by_its_address_where_no_model_loads(pebble: SiteServer, open_page: Any) -> None:
    watched = open_page(pebble)
    watched.page.add_init_script(
        "Object.defineProperty(navigator, 'gpu', { get: () => undefined, configurable: true });"
    )
    page = watched.goto("#diagnostics")
    page.locator(f"{PANEL} dd").first.wait_for()
    assert "this browser has no WebGPU" in page.inner_text(PANEL)
    assert page.get_by_role("button", name="Measure").is_disabled()
    assert page.get_by_role("button", name="Copy report").is_enabled()
    page.keyboard.press("Escape")
    page.wait_for_function("() => location.hash === ''")  # the event comes after the key
