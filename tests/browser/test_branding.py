"""A page of somebody's own: what of it shows, under the shipped policy, in light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from webgemma import Branding, build_site
from webgemma.resources import built_in_model
from webgemma.serve import SiteServer, serving

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.slow]

LOGO = b"""<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64" viewBox="0 0 64 64">
<rect width="64" height="64" rx="14" fill="#7a3e9d"/></svg>"""
COLOURS = """() => {
  const style = getComputedStyle(document.documentElement);
  const link = getComputedStyle(document.querySelector(".about summary"));
  return [style.getPropertyValue("--on-accent"), link.color];
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SiteServer]:
    folder = tmp_path_factory.mktemp("branding")
    (folder / "logo.svg").write_bytes(LOGO)
    branding = Branding(
        title="Ask <the> library",
        accent="#7a3e9d",
        logo=folder / "logo.svg",
        greeting="What are you looking for?",
        prompts=("One", "Two", "Three", "Four", "Five"),
    )
    build_site(built_in_model(), folder / "site", model_id="pebble", branding=branding)
    with serving(folder / "site") as running:
        yield running


@pytest.mark.parametrize(
    ("scheme", "colours"),
    [
        ("light", ["#ffffff", "rgb(122, 62, 157)"]),
        ("dark", ["#000000", "rgb(167, 128, 190)"]),
    ],
)
def test_the_page_shows_its_owners_branding(
    server: SiteServer, open_page: Any, scheme: str, colours: list[str]
) -> None:
    watched = open_page(server, color_scheme=scheme)
    page = watched.goto("?max_tokens=3&seed=1")
    page.locator(".prompt").first.wait_for()
    name = page.locator("#model-note").inner_text().split(" · ")[0]
    assert page.title() == f"{name} · Ask <the> library"
    assert page.locator("#model-name").inner_text() == "Ask <the> library"
    assert page.locator(".welcome h2").inner_text() == "What are you looking for?"
    assert page.locator(".prompt").all_inner_texts() == ["One", "Two", "Three", "Four", "Five"]
    assert page.evaluate("() => document.querySelector('#logo').naturalWidth") == 64
    assert page.locator("#icon").get_attribute("href").endswith("/app/logo.svg")
    assert page.evaluate(COLOURS) == colours
    watched.check()


def test_an_svg_logo_is_no_script_even_at_its_own_address(
    server: SiteServer, open_page: Any
) -> None:
    page = open_page(server).goto("app/logo.svg")
    assert page.locator("script").count() == 0
    assert page.evaluate("() => document.documentElement.tagName") == "svg"
