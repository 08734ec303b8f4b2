"""The chat page with the built-in model, as people use it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from webgemma.serve import SiteServer

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]

READY = ".prompt"
NOTE_USAGE = """
window.usages = [];
window.Worker = class extends Worker {
  constructor(...parts) {
    super(...parts);
    this.addEventListener("message", ({ data }) => {
      if (data.event?.usage) window.usages.push(data.event.usage);
    });
  }
};
"""


@pytest.fixture(scope="module")
def watched(pebble: SiteServer, open_page: Callable[..., Any]) -> Iterator[Any]:
    watched = open_page(pebble, viewport={"width": 1280, "height": 800})
    watched.goto("?temperature=0&context=512").wait_for_selector(READY)
    yield watched
    watched.check()


@pytest.fixture
def page(watched: Any) -> Page:
    """The loaded page with an empty chat."""
    page: Page = watched.page
    if page.locator("#new-chat").is_visible():
        page.click("#new-chat")
    page.locator("#welcome").wait_for(state="visible")
    return page


def ask(page: Page, text: str) -> str:
    """Ask something and wait for the whole reply."""
    count = page.locator(".facts").count()
    page.fill("#input", text)
    page.press("#input", "Enter")
    page.locator(".facts").nth(count).wait_for()
    return page.locator(".assistant .markdown").last.inner_text()


def test_the_page_says_what_the_model_is(page: Page) -> None:
    assert page.title() == "Pebble · webgemma"
    assert page.inner_text("#welcome h2") == "Pebble"
    assert "million parameters" in page.inner_text("#welcome")
    note = page.inner_text("#model-note")
    assert re.fullmatch(r"\d\.\d MB · runs on your device, nothing is sent", note)
    assert page.locator(".prompt").count() == 4


def test_the_models_details_are_folded_away_until_the_chat_begins(page: Page) -> None:
    details = page.locator(".about dl")
    assert not details.is_visible()
    page.get_by_text("About this model").click()
    text = details.inner_text()
    assert "3.4 million" in text
    assert "LICENSE" in text
    assert "Quality" not in text  # nobody has recorded any
    page.get_by_text("About this model").click()


def test_the_policy_is_in_the_page_and_in_the_headers(pebble: SiteServer, page: Page) -> None:
    meta = page.get_attribute("meta[http-equiv=Content-Security-Policy]", "content") or ""
    header = page.request.get(pebble.url).headers["content-security-policy"]
    for directive in ("default-src 'none'", "script-src 'self'", "trusted-types webgemma"):
        assert directive in " ".join(meta.split())
        assert directive in header


def test_it_answers_and_says_how_fast(page: Page) -> None:
    reply = ask(page, "Hello!")
    assert len(reply) > 3
    facts = page.locator(".facts").inner_text()
    assert re.match(r"\d+ tokens · [\d.]+ tokens/s", facts)
    assert page.locator(".assistant").get_attribute("aria-busy") == "false"
    assert page.locator("#welcome").is_hidden()


def test_the_conversation_goes_on(page: Page) -> None:
    ask(page, "Hello!")
    ask(page, "What is the opposite of hot?")
    assert page.locator(".user").all_inner_texts() == ["Hello!", "What is the opposite of hot?"]
    assert page.locator(".assistant").count() == 2


def test_an_edit_and_another_try_compute_only_what_is_new(
    pebble: SiteServer, open_page: Callable[..., Any]
) -> None:
    watched = open_page(pebble)
    page = watched.page
    page.add_init_script(NOTE_USAGE)
    watched.goto("?temperature=0&context=512").wait_for_selector(READY)
    ask(page, "Hello!")
    second = ask(page, "What is the opposite of hot?")
    page.get_by_role("button", name="Try again").click()
    page.locator(".facts").nth(1).wait_for()
    assert page.locator(".assistant .markdown").last.inner_text() == second  # greedy
    page.get_by_role("button", name="Edit").last.click()
    page.get_by_label("Edit message").fill("What is the opposite of tall?")
    page.keyboard.press("Enter")
    page.locator(".facts").nth(1).wait_for()
    first, asked, again, edited = page.evaluate("window.usages")
    cached = [one["extra"]["cached_tokens"] for one in (first, asked, again, edited)]
    assert cached[0] == 0
    assert cached[1] > first["prompt_tokens"]  # of the first reply too
    assert cached[2] == again["prompt_tokens"] - 1
    assert cached[1] < cached[3] < edited["prompt_tokens"]  # up to the word that differs
    watched.check()


def test_stop_ends_a_reply_and_keeps_what_is_written(page: Page) -> None:
    page.fill("#input", "Tell me a story.")
    page.press("#input", "Enter")
    page.locator(".assistant .markdown > *").first.wait_for()
    page.click("#stop")
    page.locator(".facts").wait_for()
    assert "stopped" in page.inner_text(".facts")
    assert page.inner_text(".assistant .markdown").strip()
    assert page.locator("#send").is_visible()
    assert ask(page, "Hello!")


def test_escape_stops_too(page: Page) -> None:
    page.fill("#input", "Tell me a story.")
    page.press("#input", "Enter")
    page.locator(".assistant .markdown > *").first.wait_for()
    page.keyboard.press("Escape")
    page.locator(".facts").wait_for()
    assert "stopped" in page.inner_text(".facts")


def test_new_chat_forgets_even_while_it_writes(page: Page) -> None:
    page.fill("#input", "Tell me a story.")
    page.press("#input", "Enter")
    page.locator(".assistant .markdown > *").first.wait_for()
    page.click("#new-chat")
    page.locator("#welcome").wait_for(state="visible")
    assert page.locator(".message").count() == 0
    assert page.locator(".panel").count() == 0
    first = ask(page, "Hello!")
    page.click("#new-chat")
    assert ask(page, "Hello!") == first  # greedy, and nothing was remembered


def test_shift_enter_breaks_the_line(page: Page) -> None:
    page.fill("#input", "Hello")
    before = page.locator("#input").bounding_box()
    page.press("#input", "Shift+Enter")
    page.press("#input", "Shift+Enter")
    after = page.locator("#input").bounding_box()
    assert before
    assert after
    assert after["height"] > before["height"]
    assert page.locator(".message").count() == 0
    page.fill("#input", "")


def test_nothing_is_sent_without_text(page: Page) -> None:
    assert page.locator("#send").is_disabled()
    page.fill("#input", "  \n ")
    page.press("#input", "Enter")
    assert page.locator(".message").count() == 0
    page.fill("#input", "")


def test_a_suggestion_is_asked_by_a_click(page: Page) -> None:
    text = page.locator(".prompt").first.inner_text()
    page.locator(".prompt").first.click()
    assert page.inner_text(".user") == text
    page.locator(".facts").wait_for()


def test_what_people_write_is_text(page: Page) -> None:
    payload = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    ask(page, payload)
    assert page.inner_text(".user") == payload
    assert page.locator("#messages img, #messages script").count() == 0


def test_a_conversation_that_is_too_long_offers_a_new_chat(page: Page) -> None:
    page.fill("#input", "hello " * 2000)
    page.press("#input", "Enter")
    panel = page.locator(".panel")
    panel.wait_for()
    assert "This model remembers 512 tokens, about 384 words." in panel.inner_text()
    panel.get_by_role("button", name="New chat").click()
    page.locator("#welcome").wait_for(state="visible")
    assert page.locator(".panel").count() == 0


def test_the_settings_show_and_set(page: Page) -> None:
    page.click("#settings-button")
    settings = page.locator("#settings")
    settings.wait_for()
    assert page.input_value("#temperature") == "0"
    assert (page.input_value("#top-p"), page.input_value("#top-k")) == ("1", "0")
    assert "512 tokens" in settings.inner_text()
    page.fill("#max-tokens", "3")
    page.fill("#temperature", "2")
    page.fill("#top-k", "1")  # the likeliest word, whatever the temperature
    page.keyboard.press("Escape")
    ask(page, "Tell me a story.")
    assert page.inner_text(".facts").startswith("3 tokens")
    assert "cut off at the longest reply" in page.inner_text(".facts")
    page.click("#settings-button")
    page.fill("#max-tokens", "512")
    page.fill("#temperature", "0")
    page.fill("#top-k", "0")
    page.keyboard.press("Escape")


def test_a_phone_of_360_pixels_has_room(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 640})
    try:
        ask(page, "Hello! " + "Averylongwordwithoutanyspaces" * 4)
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        for name in ("#input", "#send", "#new-chat", "#settings-button"):
            box = page.locator(name).bounding_box()
            assert box
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 360
            assert box["y"] + box["height"] <= 640
            assert box["height"] >= 36
    finally:
        page.set_viewport_size({"width": 1280, "height": 800})


@pytest.mark.parametrize(("scheme", "is_dark"), [("light", False), ("dark", True)])
def test_it_follows_the_colour_scheme(page: Page, scheme: Any, is_dark: bool) -> None:
    page.emulate_media(color_scheme=scheme)
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    red = int(re.findall(r"\d+", colour)[0])
    assert (red < 128) is is_dark
    page.emulate_media(color_scheme="light")


def test_keyboard_alone_is_enough(page: Page) -> None:
    ask(page, "Hello!")
    page.click("#new-chat")
    page.focus("#input")
    order: list[str] = []
    while "settings-button" not in order and len(order) < 200:  # chats have three buttons each
        page.keyboard.press("Shift+Tab")
        order.append(page.evaluate("document.activeElement.id || document.activeElement.className"))
    assert "settings-button" in order
    assert {"prompt", "import-chats", "chat-title"} <= set(order)
