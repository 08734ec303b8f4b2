"""What a visitor can do while the model comes, and that the page stays quick while it answers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from webgemma.serve import SiteServer

if TYPE_CHECKING:
    from playwright.sync_api import Route

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]

LONG_TASK_MS = 50  # from here on browsers report a task of the page's thread
BUSY_MS = 2000  # on a machine whose processors others use too
OBSERVE = """() => {
  window.tasks = [];
  const observer = new PerformanceObserver((list) =>
    window.tasks.push(...list.getEntries().map(({ duration }) => duration)));
  observer.observe({ type: "longtask" });
}"""


def test_the_page_is_there_before_the_model(pebble: SiteServer, open_page: Any) -> None:
    watched = open_page(pebble)
    page = watched.page
    held: list[Route] = []
    page.route("**/*.bin", lambda route: held.append(route))
    watched.goto("?max_tokens=5")
    page.get_by_role("heading", name="Pebble").last.wait_for()
    page.fill("#input", "What I ask when it is there.")  # a question can be written meanwhile
    page.locator("progress").wait_for()
    while not held:  # the engine is at work before its shard is asked for
        page.wait_for_timeout(100)
    assert page.locator(".prompt").count() == 0
    for route in held:
        route.continue_()
    page.locator(".prompt").first.wait_for()
    assert page.input_value("#input") == "What I ask when it is there."
    watched.check()


def test_no_task_is_long_while_it_answers(pebble: SiteServer, open_page: Any) -> None:
    watched = open_page(pebble)
    page = watched.goto("?max_tokens=120&temperature=0")
    page.locator(".prompt").first.wait_for()
    page.wait_for_timeout(500)  # what the load left to do
    page.evaluate(OBSERVE)
    page.fill("#input", "Tell me a story.")
    page.press("#input", "Enter")
    page.locator(".facts").wait_for()
    longest = max(page.evaluate("window.tasks"), default=0)
    load = os.getloadavg()[0]
    print(f"longest task {longest:.0f} ms, load {load:.1f}")
    assert longest < (LONG_TASK_MS if load < (os.cpu_count() or 1) else BUSY_MS)
    watched.check()
