"""A page with several models: the picker, the address, what is remembered, and no network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from faults import FaultyServer, faulty, refused

from webgemma import ModelRequest, build_site
from webgemma.resources import built_in_model
from webgemma.serve import SiteServer, serving

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.slow]

FIXTURES = Path(__file__).parents[1] / "fixtures"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pebble, and a small Gemma of random weights."""
    out = tmp_path_factory.mktemp("several") / "site"
    build_site(
        [
            ModelRequest(built_in_model(), model_id="pebble", name="Pebble"),
            ModelRequest(
                FIXTURES / "gemma-Q4_1.gguf",
                model_id="random",
                name="Random",
                chat_template="gemma",
            ),
        ],
        out,
    )
    return out


@pytest.fixture(scope="module")
def server(site: Path) -> Iterator[SiteServer]:
    with serving(site) as running:
        yield running


def wait_for(page: Page, name: str) -> None:
    page.locator(f".welcome h2:text-is('{name}')").wait_for()
    page.locator("#input:enabled").wait_for()
    page.locator(".prompt").first.wait_for()


def chosen(page: Page) -> tuple[str, str]:
    """What the picker shows, and what the engine runs."""
    value: str = page.locator("#model-select").input_value()
    title: str = page.title()
    return value, title


def ask(page: Page, text: str = "Hi") -> None:
    page.fill("#input", text)
    page.press("#input", "Enter")
    page.locator(".facts").last.wait_for()


def test_a_switch_loads_the_other_and_is_remembered(server: SiteServer, open_page: Any) -> None:
    watched = open_page(server)
    page = watched.goto("?max_tokens=3&seed=1")
    wait_for(page, "Pebble")
    assert chosen(page) == ("pebble", "Pebble · webgemma")
    assert "model=" not in page.url
    ask(page)
    assert page.locator("#chat-list li").count() == 1

    page.select_option("#model-select", "random")
    wait_for(page, "Random")
    assert chosen(page) == ("random", "Random · webgemma")
    assert "model=random" in page.url
    assert "max_tokens=3" in page.url
    assert page.locator("#chat-list li").count() == 1
    ask(page)
    assert page.locator("#chat-list li").count() == 2

    watched.goto()  # an address without a model
    page.locator("#input:enabled").wait_for()
    assert chosen(page) == ("random", "Random · webgemma")
    watched.goto("?model=pebble")  # which the address overrules
    page.locator("#input:enabled").wait_for()
    assert chosen(page) == ("pebble", "Pebble · webgemma")
    watched.check()


def test_of_two_quick_choices_the_last_counts(server: SiteServer, open_page: Any) -> None:
    watched = open_page(server)
    page = watched.goto("?max_tokens=3")
    wait_for(page, "Pebble")
    page.evaluate(
        """() => {
          const select = document.querySelector("#model-select");
          for (const id of ["random", "pebble", "random", "pebble", "random"]) {
            select.value = id;
            select.dispatchEvent(new Event("change"));
          }
        }"""
    )
    wait_for(page, "Random")
    page.wait_for_timeout(2000)  # in which an earlier one would come to its end
    assert chosen(page) == ("random", "Random · webgemma")
    assert page.locator(".welcome h2").all_inner_texts() == ["Random"]
    watched.check()


def test_a_switch_ends_the_reply_under_way(server: SiteServer, open_page: Any) -> None:
    watched = open_page(server)
    page = watched.goto("?model=random&temperature=1&seed=1")
    wait_for(page, "Random")
    page.fill("#input", "Hi")
    page.press("#input", "Enter")
    page.locator(".assistant .markdown:not(:empty)").wait_for()
    page.select_option("#model-select", "pebble")
    wait_for(page, "Pebble")
    ask(page)
    assert page.locator(".message, .assistant").count() >= 1
    watched.check()


def test_a_model_that_the_site_has_not_is_said(server: SiteServer, open_page: Any) -> None:
    watched = open_page(server)
    page = watched.goto("?model=other")
    wait_for(page, "Pebble")
    page.locator(".note", has_text='This site has no model "other"').wait_for()
    watched.check()


def test_a_site_of_one_has_no_picker(pebble: SiteServer, open_page: Any) -> None:
    page = open_page(pebble).goto("?max_tokens=3")
    wait_for(page, "Pebble")
    assert page.locator("#model-select").is_hidden()


def test_both_answer_without_a_network(site: Path, open_page: Any) -> None:
    with faulty(site) as running:
        server: FaultyServer = running
        watched = open_page(server, service_workers="allow")
        page = watched.goto("?max_tokens=3&seed=1")
        wait_for(page, "Pebble")
        page.evaluate("async () => { await navigator.serviceWorker.ready; }")
        page.select_option("#model-select", "random")
        wait_for(page, "Random")
        server.fail("*", refused)
        page.reload()
        wait_for(page, "Random")
        ask(page)
        page.select_option("#model-select", "pebble")
        wait_for(page, "Pebble")
        ask(page)
        assert watched.foreign == []
