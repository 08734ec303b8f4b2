"""One conversation: edit, try again, copy, stop; system prompt and settings; what is read aloud."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from stand_in import CHAT, ask, stand_in

from webgemma.serve import serving

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]

CODE = "Look:\n\n```python\nprint(1)\n```\n\n```\nplain\n```\n"
SPOKEN = ["Hello th", "ere. **How** are", " you? I", " am fine", ".\n\n```py\nx = 1\n```\n", "Bye"]
ARABIC = "مرحبا"
REPLIES = {
    **{"one": ["First."], "two": ["Second."], "three": ["Third."], "code": [CODE]},
    **{"spoken": SPOKEN, "slow": ["word "] * 2000},
    **{"مرحبا": ["أهلا.\n\n- واحد\n\nEnglish too."], "hello": [f"Hello.\n\n{ARABIC}"]},
}
GEMMA_SYSTEM = {**CHAT["roles"]["system"], "prefix": "<bos><user>"}
Open = Callable[..., "Page"]


@pytest.fixture
def open_chat(tiny_site: Path, open_page: Any) -> Iterator[Open]:
    """Open the page with a stand-in."""
    with serving(tiny_site) as server:
        opened = []

        def open_(path: str = "", **manifest: Any) -> Page:
            watched = open_page(server, permissions=["clipboard-read", "clipboard-write"])
            opened.append(watched)
            stand_in(watched.page, REPLIES, **{"chat": CHAT, **manifest})
            page: Page = watched.goto(path)
            page.locator(".prompt").first.wait_for()
            return page

        yield open_
        for watched in opened:
            watched.check()
            watched.page.context.close()


@pytest.fixture
def page(open_chat: Open) -> Page:
    return open_chat()


def texts(page: Page) -> list[str]:
    return page.locator(".user, .assistant .markdown").all_inner_texts()


def asked(page: Page) -> list[str]:
    """What the engine was asked last."""
    messages: list[str] = page.evaluate("window.asked.at(-1).messages.map((m) => m.content)")
    return messages


def press(page: Page, name: str, number: int = -1) -> None:
    """Press a button of a message."""
    buttons = page.locator(".below").get_by_role("button", name=name, exact=True)
    button = buttons.nth(number) if number >= 0 else buttons.last
    button.hover()
    button.click()


def test_an_earlier_message_is_edited_and_what_followed_goes(page: Page) -> None:
    for question in ("one", "two", "three"):
        ask(page, question)
    press(page, "Edit", 1)
    field = page.get_by_label("Edit message")
    assert field.input_value() == "two"
    assert field.evaluate("node => node === document.activeElement")
    field.fill("three")
    field.press("Enter")
    page.locator(".assistant").nth(1).locator(".facts").wait_for()
    assert texts(page) == ["one", "First.", "three", "Third."]
    assert asked(page) == ["one", "First.", "three"]
    page.reload()
    page.locator(".assistant").first.wait_for()
    assert texts(page) == ["one", "First.", "three", "Third."]


def test_an_edit_can_be_given_up(page: Page) -> None:
    ask(page, "one")
    press(page, "Edit")
    page.get_by_label("Edit message").fill("two\nlines")
    page.keyboard.press("Escape")
    assert texts(page) == ["one", "First."]
    press(page, "Edit")
    page.get_by_label("Edit message").fill("   ")
    page.keyboard.press("Enter")  # nothing to send
    page.get_by_role("button", name="Cancel").click()
    assert texts(page) == ["one", "First."]
    assert page.evaluate("window.asked.length") == 1


def test_a_line_is_broken_in_an_edit(page: Page) -> None:
    ask(page, "one")
    press(page, "Edit")
    field = page.get_by_label("Edit message")
    field.press("End")
    field.press("Shift+Enter")
    field.press_sequentially("more")
    assert field.input_value() == "one\nmore"
    page.get_by_role("button", name="Send").first.click()
    page.locator(".facts").wait_for()
    assert asked(page) == ["one\nmore"]


def test_the_last_reply_is_written_again(page: Page) -> None:
    ask(page, "one")
    ask(page, "two")
    assert page.get_by_role("button", name="Try again").count() == 1  # of the last one only
    press(page, "Try again")
    page.locator(".facts").nth(1).wait_for()
    assert texts(page) == ["one", "First.", "two", "Second."]
    assert asked(page) == ["one", "First.", "two"]
    assert page.evaluate("window.asked.length") == 3


def test_nothing_is_edited_while_a_reply_is_written(page: Page) -> None:
    ask(page, "one")
    page.fill("#input", "slow")
    page.press("#input", "Enter")
    page.locator(".assistant .markdown > *").nth(1).wait_for()
    assert not page.get_by_role("button", name="Edit").first.is_visible()
    assert not page.get_by_role("button", name="Try again").first.is_visible()
    page.keyboard.press("Escape")
    page.locator(".facts", has_text="stopped").wait_for()
    assert page.get_by_role("button", name="Edit").last.is_visible()


def test_escape_closes_what_is_open_before_it_stops(page: Page) -> None:
    page.fill("#input", "slow")
    page.press("#input", "Enter")
    page.click("#settings-button")
    page.keyboard.press("Escape")
    assert not page.locator("#settings").is_visible()
    assert page.locator("#stop").is_visible()
    page.keyboard.press("Escape")
    page.locator(".facts", has_text="stopped").wait_for()


def clipboard(page: Page) -> str:
    text: str = page.evaluate("navigator.clipboard.readText()")
    return text


def test_messages_and_code_are_copied_as_they_were_written(page: Page) -> None:
    ask(page, "code")
    assert page.locator(".code-head span").all_inner_texts() == ["python", "code"]
    page.get_by_role("button", name="Copy").nth(0).click()
    assert clipboard(page) == "code"
    page.locator(".code button").first.click()
    assert clipboard(page) == "print(1)"
    page.get_by_text("Copied").first.wait_for()
    assert page.inner_text("#said") == "Copied"
    page.locator(".below", has=page.locator(".facts")).get_by_text("Copy").click()
    assert clipboard(page) == CODE


def test_the_system_prompt_is_the_chats_own(page: Page) -> None:
    page.click("#settings-button")
    assert (
        page.inner_text("#system-hint") == "Goes before the chat, as the model's template has it."
    )
    page.fill("#system", "Be brief.")
    page.keyboard.press("Escape")
    ask(page, "one")
    assert asked(page) == ["Be brief.", "one"]
    page.click("#new-chat")
    page.click("#settings-button")
    page.fill("#system", "")
    page.keyboard.press("Escape")
    ask(page, "two")
    assert asked(page) == ["two"]
    page.locator(".chat-title", has_text="one").click()
    ask(page, "three")
    assert asked(page) == ["Be brief.", "one", "First.", "three"]
    page.reload()
    page.locator(".assistant").first.wait_for()
    assert page.input_value("#system") == "Be brief."
    page.click("#new-chat")
    ask(page, "one")  # a new chat begins with what is in the settings
    assert asked(page) == ["Be brief.", "one"]


def test_a_template_without_a_system_role_is_told_apart(open_chat: Open) -> None:
    roles = CHAT["roles"]
    page = open_chat(chat={**CHAT, "roles": {**roles, "system": GEMMA_SYSTEM}})
    hint = page.locator("#system-hint")
    assert hint.text_content() == (
        "The model's template has no role for it: it goes before your first message."
    )
    none = {name: role for name, role in roles.items() if name != "system"}
    page = open_chat(chat={**CHAT, "roles": none})
    assert page.locator("#system").is_disabled()
    assert page.text_content("#system-hint") == (
        "This model takes no system prompt: its chat template has no place for one."
    )
    ask(page, "one")
    assert asked(page) == ["one"]


def sampling(page: Page) -> list[str]:
    names = ("#temperature", "#top-p", "#top-k", "#max-tokens")
    return [page.input_value(name) for name in names]


def test_settings_begin_as_the_models_own_stay_and_go_back(page: Page) -> None:
    own = ["0.7", "1", "40", "1024"]
    assert sampling(page) == own  # the stand-in says 0.7 and 40
    page.click("#settings-button")
    assert page.locator("#reset-settings").is_disabled()
    page.fill("#temperature", "0.2")
    page.fill("#top-k", "5")
    page.check("#drops-oldest")
    page.keyboard.press("Escape")
    ask(page, "one")
    request = page.evaluate("window.asked.at(-1)")
    assert request["sampling"]["temperature"] == 0.2
    assert request["sampling"]["top_k"] == 5
    assert request["drops_oldest"] is True
    page.reload()
    page.locator(".assistant").first.wait_for()
    assert sampling(page) == ["0.2", "1", "5", "1024"]
    assert page.is_checked("#drops-oldest")
    page.click("#settings-button")
    page.click("#reset-settings")
    assert sampling(page) == own
    page.reload()
    page.locator(".assistant").first.wait_for()
    assert sampling(page) == own
    assert not page.is_checked("#drops-oldest")


def test_the_address_goes_before_what_was_set(open_chat: Open) -> None:
    assert sampling(open_chat("?temperature=0&top_k=3")) == ["0", "1", "3", "1024"]


@pytest.mark.parametrize("text", ["{", "[]", '{"sampling": {"tiny": {"topK": "x"}}, "system": 1}'])
def test_settings_that_were_damaged_are_left_out(page: Page, text: str) -> None:
    page.evaluate("text => localStorage.setItem('webgemma settings /', text)", text)
    page.reload()
    page.locator(".prompt").first.wait_for()
    assert sampling(page) == ["0.7", "1", "40", "1024"]
    assert ask(page, "one") == "First."


def test_what_is_used_of_the_context_is_shown(page: Page) -> None:
    used = page.locator("#context-used")
    assert not used.is_visible()
    ask(page, "one")
    assert used.inner_text() == "Context: 4 of 1,024 tokens"  # three letters and a piece
    assert page.inner_text(".facts") == "1 token · 25 tokens/s"
    page.click("#new-chat")
    assert not used.is_visible()


def test_a_reply_is_read_aloud_by_sentences(page: Page) -> None:
    assert page.get_attribute("#messages", "role") == "log"
    assert page.get_attribute("#spoken", "role") == "log"
    assert page.get_attribute("#spoken", "aria-live") == "polite"
    page.evaluate("""() => {
      window.spoken = [];
      new MutationObserver((changes) => {
        for (const { addedNodes } of changes) {
          for (const node of addedNodes) window.spoken.push(node.textContent);
        }
      }).observe(document.getElementById("spoken"), { childList: true, subtree: true });
    }""")
    ask(page, "spoken")
    assert page.evaluate("window.spoken") == [
        *("Hello there.", "How are you?", "I am fine.", "Code:", "x = 1", "End of code.", "Bye"),
    ]


def test_texts_have_their_own_direction(page: Page) -> None:
    direction = "node => getComputedStyle(node).direction"
    page.fill("#input", "مرحبا")
    assert page.locator("#input").evaluate(direction) == "rtl"
    ask(page, "مرحبا")
    assert page.locator("#input").evaluate(direction) == "ltr"
    assert page.locator(".user").evaluate(direction) == "rtl"
    assert page.locator(".assistant .markdown").evaluate(direction) == "rtl"
    assert page.locator(".chat-title").evaluate(direction) == "rtl"
    bullet = page.locator(".assistant li").bounding_box()
    body = page.locator(".assistant .markdown").bounding_box()
    assert bullet
    assert body
    assert bullet["x"] + bullet["width"] < body["x"] + body["width"]  # its bullet is at the right
    english, arabic = (
        page.locator(".assistant p", has_text=text).evaluate("""(node) => {
          const range = document.createRange();
          range.selectNodeContents(node);
          return range.getBoundingClientRect().x - node.getBoundingClientRect().x;
        }""")
        for text in ("English too.", "أهلا")
    )
    assert english == 0  # every paragraph begins at the side where its text does
    assert arabic > 100
    page.click("#new-chat")
    ask(page, "hello")
    assert page.locator(".assistant .markdown").evaluate(direction) == "ltr"


def test_the_skip_link_leads_past_the_list(page: Page) -> None:
    for question in ("one", "two"):
        ask(page, question)
        page.click("#new-chat")
    skip = page.get_by_role("link", name="Skip to the chat")
    first = page.evaluate("document.querySelector('a, button, input, textarea').className")
    assert first == skip.get_attribute("class")
    skip.focus()
    box = skip.bounding_box()
    assert box
    assert box["y"] >= 0  # it is seen while it has the focus
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "prompt"


def test_whatever_has_the_focus_shows_it(page: Page) -> None:
    ask(page, "code")
    seen = set()
    for _ in range(24):
        page.keyboard.press("Tab")
        outline, name = page.evaluate("""() => {
          const node = document.activeElement;
          const style = getComputedStyle(node.id === "input" ? node.parentElement : node);
          const shows = parseFloat(style.outlineWidth) > 0 && style.outlineStyle !== "none";
          const line = node.id === "input" && style.borderColor !== "rgb(226, 223, 215)";
          return [shows || line || node === document.body, node.ariaLabel ?? node.textContent];
        }""")
        assert outline, name
        seen.add(name)
    assert {"New chat", "Settings", "Export", "Import", "Edit", "Try again"} <= seen


def test_nothing_moves_for_those_who_ask_for_that(open_page: Any, tiny_site: Path) -> None:
    with serving(tiny_site) as server:
        watched = open_page(server, reduced_motion="reduce")
        stand_in(watched.page, REPLIES, chat=CHAT)
        page = watched.goto()
        page.locator(".prompt").first.wait_for()
        page.fill("#input", "slow")
        page.press("#input", "Enter")
        page.locator(".assistant .markdown > *").wait_for()
        moving = page.evaluate("document.getAnimations().map(({ animationName }) => animationName)")
        assert moving == []
