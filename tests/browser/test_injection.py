"""Hostile texts from every side of the page: nothing runs, nothing is fetched, all of it is text.

They come out of the model's mouth, streamed in random pieces through the shipped page under its
policy; as messages, titles and system prompts; and in files of chats that somebody imports.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from payloads import payloads, pieces
from stand_in import CHAT, ask, stand_in

from webgemma.serve import serving

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]

ALL = list(itertools.islice(payloads(), 500))
SOME = [*range(0, 90, 3), *range(90, 500, 14)]  # 60 of them: attacks as they are, and changed
ELEMENTS = sorted(
    {
        *("P", "H3", "H4", "H5", "H6", "STRONG", "EM", "DEL", "CODE", "PRE", "BR", "A", "SPAN"),
        *("BLOCKQUOTE", "UL", "OL", "LI", "HR", "DIV", "BUTTON", "INPUT"),
        *("TABLE", "THEAD", "TBODY", "TR", "TH", "TD"),
    }
)
ATTRIBUTES = sorted(
    {
        *("class", "dir", "title", "tabindex", "role", "aria-label", "aria-busy"),
        *("href", "rel", "target", "type", "disabled", "start"),
    }
)
LIST_ELEMENTS = [
    *("H2", "P", "UL", "LI", "BUTTON", "svg", "path", "DIV", "INPUT"),
]
INSPECT = """
window.inspect = (root, elements, extra = []) => {
  const problems = [];
  for (const node of root.querySelectorAll("*")) {
    if (!elements.includes(node.tagName)) problems.push(`element ${node.tagName}`);
    for (const { name, value } of node.attributes) {
      if (!window.allowed.includes(name) && !extra.includes(name)) {
        problems.push(`attribute ${name} of ${node.tagName}`);
      }
      if (name === "href" && !/^(https?|mailto):/.test(value)) problems.push(`link ${value}`);
    }
    if (node.tagName === "INPUT" && node.closest("#messages") && node.type !== "checkbox") {
      problems.push(`input ${node.type}`);
    }
  }
  if (window.pwned) problems.push("a script ran");
  problems.push(...window.violations);
  return problems;
};
"""
TALK = """async ([numbers, elements]) => {
  const until = async (found) => {
    for (let i = 0; i < 4000; i++) {
      if (found()) return;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    throw new Error("the reply did not end");
  };
  const messages = document.getElementById("messages");
  const input = document.getElementById("input");
  const problems = [];
  const lengths = [];
  for (const number of numbers) {
    if (messages.children.length >= 8) document.getElementById("new-chat").click();
    const count = messages.querySelectorAll(".facts").length;
    input.value = `payload ${number}`;
    input.dispatchEvent(new InputEvent("input"));
    input.form.requestSubmit();
    const replies = messages.getElementsByClassName("facts");
    await until(() => {
      problems.push(...window.inspect(messages, elements).map((p) => `${number}: ${p}`));
      return replies.length > count;
    });
    lengths.push(messages.lastElementChild.querySelector(".markdown").textContent.length);
  }
  await new Promise((resolve) => setTimeout(resolve, 300)); // what was begun has had its time
  problems.push(...window.inspect(messages, elements));
  return { problems: [...new Set(problems)], lengths };
}"""


@pytest.fixture
def page(tiny_site: Path, open_page: Callable[..., Any]) -> Iterator[Page]:
    """The page with a model that says payload n when it is asked for it."""
    replies = {f"payload {i}": pieces(text, i) for i, text in enumerate(ALL)}
    with serving(tiny_site) as server:
        watched = open_page(server)
        stand_in(watched.page, replies, pause_ms=6, chat=CHAT)
        watched.page.add_init_script(f"window.allowed = {json.dumps(ATTRIBUTES)};" + INSPECT)
        watched.page.on("dialog", lambda dialog: pytest.fail(f"a dialog: {dialog.message}"))
        page: Page = watched.goto()
        page.wait_for_load_state("networkidle")
        page.locator(".prompt").first.wait_for()
        requests: list[str] = []
        page.on("request", lambda request: requests.append(request.url))
        yield page
        assert page.evaluate("window.pwned") is None
        assert requests == []
        assert page.url == server.url
        watched.check()


def test_the_generator_makes_what_it_says() -> None:
    assert len(set(ALL)) == 500
    whole = "\n".join(ALL)
    for sign in ("<svg", "<math", "<!--", "javascript:", "data:", "&#", "${", "![", "\u202e"):
        assert sign in whole
    assert max(map(len, ALL)) > 5000
    for i, text in enumerate(ALL):
        assert "".join(pieces(text, i)) == text or "\ud83d" in text or "\U0001f600" in text
        joined = b"".join(p.encode("utf-16-le", "surrogatepass") for p in pieces(text, i))
        assert joined == text.encode("utf-16-le", "surrogatepass")


def say(page: Page, numbers: list[int]) -> None:
    result = page.evaluate(TALK, [numbers, ELEMENTS])
    assert result["problems"] == []
    assert len(result["lengths"]) == len(numbers)
    shown = sum(length > 0 for length in result["lengths"])
    assert shown > 0.95 * len(
        numbers
    )  # nearly all are shown, as text; a definition alone is silent
    print(f"{len(numbers)} payloads, {shown} of them with text on the page")


def test_what_a_model_says(page: Page) -> None:
    say(page, SOME)


@pytest.mark.long
def test_all_that_a_model_may_say(page: Page) -> None:
    for start in range(0, len(ALL), 50):
        say(page, list(range(start, start + 50)))


def check_all(page: Page) -> None:
    """Look at messages and list."""
    found = page.evaluate(
        """([elements, list]) => [
          ...window.inspect(document.getElementById("messages"), elements),
          ...window.inspect(document.getElementById("chats"), list,
            ["aria-current", "id", "hidden", "accept", "viewBox", "aria-hidden", "d", "inert"]),
        ]""",
        [ELEMENTS, LIST_ELEMENTS],
    )
    assert found == []


def test_what_people_write_and_call_their_chats(page: Page) -> None:
    for text in [ALL[i].replace("\x00", "").strip() for i in SOME[::4]]:
        ask(page, text)
        shown = page.locator(".user").last.evaluate("node => node.textContent")
        assert shown == page.evaluate("text => text.toWellFormed()", text) or shown == text
        check_all(page)
        page.click("#new-chat")
    page.locator(".chat-title").first.hover()
    page.get_by_role("button", name="Rename").first.click()
    page.fill("#chat-list input", ALL[3])
    page.keyboard.press("Enter")
    assert page.locator(".chat-title").first.evaluate("node => node.textContent") == ALL[3]
    check_all(page)


def test_system_prompts(page: Page) -> None:
    for text in (ALL[0], ALL[3], ALL[60]):
        page.click("#settings-button")
        page.fill("#system", text)
        page.keyboard.press("Escape")
        ask(page, "payload 3")
        check_all(page)
        page.wait_for_function("text => window.asked.at(-1).messages[0].content === text", arg=text)


def test_chats_from_a_file(page: Page, tmp_path: Path) -> None:
    chosen = [ALL[i] for i in SOME]
    conversations = [
        {
            **{"id": f"{i} {text}"[:100], "title": text, "system": text, "model": text},
            **{"created": i, "updated": i, "used_tokens": 5},
            "messages": [
                {"role": "user", "content": text},
                {"role": "assistant", "content": text},
            ],
            "__proto__": {"polluted": True},
        }
        for i, text in enumerate(chosen)
    ]
    file = {"format": "webgemma-chats", "version": 1, "conversations": conversations}
    (tmp_path / "chats.json").write_text(json.dumps(file))
    page.set_input_files("#chats-file", tmp_path / "chats.json")
    page.locator("#chats-notice", has_text=f"{len(chosen)} chats imported.").wait_for()
    assert page.evaluate("({}).polluted") is None
    check_all(page)
    for i in range(0, len(chosen), 6):
        page.locator(".chat-title").nth(i).click()
        page.locator(".assistant").wait_for()
        check_all(page)
        page.click("#new-chat")
