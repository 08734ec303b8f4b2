"""The page under its policy: as a meta element alone, as headers alone, with weights elsewhere."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tiny
from hosting import hosting

from webgemma.serve import serving

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.slow]

META = re.compile(r'<meta\s+http-equiv="Content-Security-Policy".*?/>', re.DOTALL)
INLINE = """() => {
  const script = document.createElement("script");
  try { script.textContent = "window.ran = true"; } catch { return "refused"; }
  document.body.append(script);
  return window.ran ? "ran" : "refused";
}"""
ELSEWHERE = """() => fetch("http://127.0.0.1:1/x").then(() => "fetched", () => {
  return new Promise((resolve) => setTimeout(() => resolve(window.violations), 50));
})"""


def ask(page: Page) -> str:
    page.locator(".prompt").first.wait_for()
    page.fill("#input", "hello")
    page.press("#input", "Enter")
    page.locator(".facts").wait_for()
    return page.inner_text(".facts")


@pytest.mark.parametrize("form", ["meta", "headers"])
def test_the_page_works_under_its_policy_and_nothing_else_does(
    tiny_site: Path, tmp_path: Path, open_page: Any, form: str
) -> None:
    site = Path(shutil.copytree(tiny_site, tmp_path / "site"))
    with serving(site) as server:
        assert server.policy is not None
        if form == "meta":
            server.policy = None
        else:
            text, count = META.subn("", (site / "index.html").read_text())
            assert count == 1
            (site / "index.html").write_text(text)
        watched = open_page(server)
        page = watched.goto("?max_tokens=5")
        assert ask(page).startswith("5 tokens")
        watched.check()
        assert page.evaluate(INLINE) == "refused"
        blocked = page.evaluate(ELSEWHERE)
        assert "connect-src: http://127.0.0.1:1/x" in blocked


def test_weights_come_from_another_origin_and_are_verified(tmp_path: Path, open_page: Any) -> None:
    (tmp_path / "site-weights").mkdir()
    with hosting(tmp_path / "site-weights", "*") as url:
        tiny.write_site(tmp_path / "site", weights_url=url)
        with serving(tmp_path / "site") as server:
            watched = open_page(server)
            page = watched.goto("?max_tokens=5")
            assert ask(page).startswith("5 tokens")
            assert page.evaluate("window.violations") == []
            assert watched.problems == []
            assert {request.startswith(url) for request in watched.foreign} == {True}
        shard = next((tmp_path / "site-weights").rglob("params_shard_1.bin"))
        shard.write_bytes(shard.read_bytes()[::-1])
        with serving(tmp_path / "site") as server:  # another origin, with nothing stored
            page = open_page(server).goto("?max_tokens=5")
            page.locator(".panel").wait_for()
            assert "params_shard_1.bin: got SHA-256 " in page.inner_text(".panel p")


def test_a_host_that_lets_nobody_read_is_named(tmp_path: Path, open_page: Any) -> None:
    (tmp_path / "site-weights").mkdir()
    with hosting(tmp_path / "site-weights", "") as url:
        tiny.write_site(tmp_path / "site", weights_url=url)
        with serving(tmp_path / "site") as server:
            page = open_page(server).goto("?max_tokens=5")
            page.locator(".panel").wait_for()
            text = page.inner_text(".panel p")
            host = url.removeprefix("http://").rstrip("/")
            assert f"or {host} does not let this page read it (Access-Control-" in text
