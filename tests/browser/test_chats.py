"""The list of chats: kept on the device, renamed, deleted, switched, exported and imported."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from stand_in import CHAT, ask, stand_in

from webgemma.serve import serving

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]

REPLIES = {"one": ["First."], "two": ["Second."], "slow": ["word "] * 2000}
NO_DATABASE = "Object.defineProperty(window, 'indexedDB', { value: undefined });"
SILENT_DATABASE = "IDBFactory.prototype.open = () => ({});"
FULL_DATABASE = """
IDBObjectStore.prototype.put = () => { throw new DOMException("full", "QuotaExceededError"); };
"""
Open = Callable[..., "Page"]


@pytest.fixture
def open_chat(tiny_site: Path, open_page: Any) -> Iterator[Open]:
    """Open the page in a browser of its own; `script` runs before the page does."""
    with serving(tiny_site) as server:
        opened = []

        def open_(script: str = "", **options: Any) -> Page:
            watched = open_page(server, **options)
            opened.append(watched)
            stand_in(watched.page, REPLIES, chat=CHAT)
            if script:
                watched.page.add_init_script(script)
            page: Page = watched.goto()
            page.locator(".prompt").first.wait_for()
            return page

        yield open_
        for watched in opened:
            watched.check()
            watched.page.context.close()


def titles(page: Page) -> list[str]:
    return page.locator(".chat-title").all_inner_texts()


def begin(page: Page, *questions: str) -> None:
    """Begin a chat for each question."""
    for question in questions:
        if page.locator("#new-chat").is_visible():
            page.click("#new-chat")
        ask(page, question)


def act(page: Page, verb: str, title: str) -> None:
    page.locator("#chat-list li", has_text=title).hover()
    page.get_by_role("button", name=f"{verb} {title}").click()


def texts(page: Page) -> list[str]:
    return page.locator(".user, .assistant .markdown").all_inner_texts()


def test_chats_survive_a_reload_and_the_open_one_is_found_again(open_chat: Open) -> None:
    page = open_chat()
    assert page.locator("#no-chats").is_visible()
    assert page.locator("#export-chats").is_disabled()
    begin(page, "one", "two")
    assert titles(page) == ["two", "one"]
    page.reload()
    page.locator(".assistant").wait_for()
    assert titles(page) == ["two", "one"]
    assert texts(page) == ["two", "Second."]
    assert page.locator("[aria-current=true]").inner_text() == "two"
    page.click("#new-chat")
    page.reload()
    page.locator(".prompt").first.wait_for()
    assert titles(page) == ["two", "one"]
    assert texts(page) == []


def test_a_chat_is_gone_on_with_where_it_was(open_chat: Open) -> None:
    page = open_chat()
    begin(page, "one", "two")
    page.locator(".chat-title", has_text="one").click()
    assert texts(page) == ["one", "First."]
    assert page.evaluate("document.activeElement.id") == "input"
    assert page.locator(".facts").count() == 0  # how fast it was is not kept
    assert page.inner_text("#context-used") == "Context: 4 of 1,024 tokens"
    ask(page, "two")
    assert texts(page) == ["one", "First.", "two", "Second."]
    assert titles(page) == ["one", "two"]  # the newest first
    asked = page.evaluate("window.asked.at(-1).messages.map(({ content }) => content)")
    assert asked == ["one", "First.", "two"]


def test_a_chat_that_is_left_keeps_what_was_written(open_chat: Open) -> None:
    page = open_chat()
    begin(page, "one")
    page.click("#new-chat")
    page.fill("#input", "slow")
    page.press("#input", "Enter")
    page.locator(".assistant .markdown > *").wait_for()
    page.locator(".chat-title", has_text="one").click()
    assert texts(page) == ["one", "First."]
    assert ask(page, "two") == "Second."
    page.locator(".chat-title", has_text="slow").click()
    question, answer = texts(page)
    assert question == "slow"
    assert 0 < answer.count("word") < 2000
    page.reload()
    page.locator(".assistant").wait_for()
    assert texts(page) == [question, answer]


def test_a_question_without_an_answer_is_answered_later(open_chat: Open) -> None:
    page = open_chat()
    stored = {
        **{"id": "x", "title": "later", "created": 1, "updated": 1},
        "messages": [{"role": "user", "content": "one"}],
    }
    import_text(page, json.dumps(exported(stored)))
    page.locator(".chat-title").click()
    assert texts(page) == ["one"]
    page.get_by_role("button", name="Answer it").click()
    page.locator(".facts").wait_for()
    assert texts(page) == ["one", "First."]


def test_renaming(open_chat: Open) -> None:
    page = open_chat()
    begin(page, "one")
    act(page, "Rename", "one")
    page.fill("#chat-list input", "  A better\n name ")
    page.keyboard.press("Enter")
    assert titles(page) == ["A better name"]
    assert page.evaluate("document.activeElement.className") == "chat-title"
    act(page, "Rename", "A better name")
    page.fill("#chat-list input", "not this")
    page.keyboard.press("Escape")
    assert titles(page) == ["A better name"]
    act(page, "Rename", "A better name")
    page.fill("#chat-list input", "   ")
    page.keyboard.press("Enter")
    assert titles(page) == ["A better name"]
    act(page, "Rename", "A better name")
    page.fill("#chat-list input", "x" * 5000)
    page.click("#input")  # leaving the field renames too
    assert len(titles(page)[0]) == 200
    page.reload()
    page.locator(".assistant").wait_for()
    assert len(titles(page)[0]) == 200


def test_deleting_and_taking_it_back(open_chat: Open) -> None:
    page = open_chat()
    begin(page, "one", "two")
    act(page, "Delete", "one")
    assert titles(page) == ["two"]
    page.get_by_role("button", name="Undo").click()
    assert titles(page) == ["two", "one"]
    act(page, "Delete", "two")  # the one that is open
    page.locator("#welcome").wait_for(state="visible")
    assert texts(page) == []
    page.reload()
    page.locator(".prompt").first.wait_for()
    assert titles(page) == ["one"]


def test_a_chat_that_is_deleted_while_it_is_answered_stays_deleted(open_chat: Open) -> None:
    page = open_chat()
    page.fill("#input", "slow")
    page.press("#input", "Enter")
    page.locator(".assistant .markdown > *").wait_for()
    act(page, "Delete", "slow")
    assert ask(page, "one") == "First."
    page.reload()
    page.locator(".assistant").wait_for()
    assert titles(page) == ["one"]


def test_on_a_phone_the_list_is_a_drawer(open_chat: Open) -> None:
    phone = {"viewport": {"width": 360, "height": 640}, "has_touch": True}
    page = open_chat(**phone, reduced_motion="reduce")
    chats = page.locator("#chats")
    assert not chats.is_visible()
    begin(page, "one", "two")
    page.tap("#chats-button")
    assert chats.is_visible()
    page.keyboard.press("Escape")
    assert not chats.is_visible()
    page.tap("#chats-button")
    page.touchscreen.tap(350, 600)  # beside it
    assert not chats.is_visible()
    page.tap("#chats-button")
    page.locator(".chat-title", has_text="one").tap()
    assert not chats.is_visible()
    assert texts(page) == ["one", "First."]
    page.tap("#chats-button")
    page.set_viewport_size({"width": 1280, "height": 800})  # the phone is a tablet, and turned
    page.locator("#chats:popover-open").wait_for(state="detached")
    assert chats.is_visible()
    box = chats.bounding_box()
    assert box
    assert (box["x"], box["height"]) == (0, 800)


def test_export_and_import(open_chat: Open, tmp_path: Path) -> None:
    page = open_chat()
    begin(page, "one", "two")
    with page.expect_download() as download:
        page.click("#export-chats")
    assert download.value.suggested_filename.startswith("chats-20")
    path = tmp_path / "chats.json"
    download.value.save_as(path)
    file = json.loads(path.read_text())
    assert (file["format"], file["version"]) == ("webgemma-chats", 1)
    assert [one["title"] for one in file["conversations"]] == ["two", "one"]
    assert file["conversations"][1]["messages"] == [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "First."},
    ]
    notice = page.locator("#chats-notice")
    page.set_input_files("#chats-file", path)
    notice.get_by_text("0 chats imported.").wait_for()  # they are here
    assert titles(page) == ["two", "one"]
    other = open_chat()
    other.set_input_files("#chats-file", path)
    other.locator("#chats-notice", has_text="2 chats imported.").wait_for()
    other.reload()
    other.locator(".prompt").first.wait_for()
    assert titles(other) == ["two", "one"]
    other.locator(".chat-title", has_text="one").click()
    assert texts(other) == ["one", "First."]
    ask(other, "two")
    other.set_input_files("#chats-file", path)  # "one" went on: the file's becomes another chat
    other.locator("#chats-notice", has_text="1 chat imported.").wait_for()
    assert titles(other) == ["one", "two", "one"]


def exported(*conversations: Any) -> dict[str, Any]:
    return {"format": "webgemma-chats", "version": 1, "conversations": list(conversations)}


def import_text(page: Page, text: str) -> str:
    """Import a file; return what the page says."""
    content = text.encode("utf-8", "surrogatepass")
    file = {"name": "chats.json", "mimeType": "application/json", "buffer": content}
    page.set_input_files("#chats-file", [file])  # type: ignore[list-item]
    page.locator("#chats-notice p").wait_for()
    return page.inner_text("#chats-notice p")


GOOD = {
    **{"id": "a", "title": "A", "created": 1, "updated": 2},
    "messages": [{"role": "user", "content": "one"}],
}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "chats.json is not JSON: expected a file that this page exported."),
        ("[]", "chats.json: got [], expected an object."),
        ("{}", 'chats.json: format: got nothing, expected "webgemma-chats".'),
        (
            json.dumps({**exported(), "version": 2}),
            "chats.json: version: got 2, expected 1.",
        ),
        (
            json.dumps(exported(GOOD, {**GOOD, "messages": []})),
            "chats.json: conversations[1].messages: got [], expected a list of at least one "
            "message.",
        ),
        (
            json.dumps(exported(GOOD, {**GOOD, "messages": [{"role": "system", "content": ""}]})),
            'chats.json: conversations[1].messages[0].role: got "system", expected "user".',
        ),
        (
            json.dumps(exported({**GOOD, "messages": [{"role": "user", "content": {"x": 1}}]})),
            'chats.json: conversations[0].messages[0].content: got {"x":1}, expected a text.',
        ),
        (
            json.dumps(exported({**GOOD, "updated": "yesterday"})),
            'chats.json: conversations[0].updated: got "yesterday", expected a whole number.',
        ),
    ],
)
def test_a_file_that_is_not_chats_is_refused_as_a_whole(
    open_chat: Open, text: str, message: str
) -> None:
    page = open_chat()
    assert import_text(page, text) == f"{message} Nothing was imported."
    page.reload()
    page.locator(".prompt").first.wait_for()
    assert titles(page) == []


@pytest.mark.parametrize("script", [NO_DATABASE, SILENT_DATABASE])
def test_without_a_store_chats_last_as_long_as_the_page(open_chat: Open, script: str) -> None:
    page = open_chat(script)
    told = page.inner_text("#chats-trouble")
    assert told.startswith("Chats are not kept in this browser")
    assert page.inner_text("#panel .note") == told  # on a phone the list is out of sight
    begin(page, "one", "two")
    page.locator(".chat-title", has_text="one").click()
    assert texts(page) == ["one", "First."]
    assert page.locator(".panel").count() == 0


def test_a_full_disk_is_told_and_the_chat_goes_on(open_chat: Open) -> None:
    page = open_chat(FULL_DATABASE)
    begin(page, "one")
    trouble = page.locator("#chats-trouble")
    trouble.wait_for()
    assert trouble.inner_text() == (
        "This chat could not be kept (QuotaExceededError). Export it, or make room by deleting "
        "others."
    )
    assert page.inner_text("#panel .note") == trouble.inner_text()
    assert ask(page, "two") == "Second."
    assert titles(page) == ["one"]


def test_a_damaged_record_does_not_hide_the_others(open_chat: Open) -> None:
    page = open_chat()
    begin(page, "one")
    page.evaluate("""() => new Promise((resolve) => {
      const request = indexedDB.open("webgemma chats /", 1);
      request.onsuccess = () => {
        const transaction = request.result.transaction("chats", "readwrite");
        transaction.objectStore("chats").put({ id: "broken", messages: "x".repeat(9) });
        transaction.oncomplete = resolve;
      };
    })""")
    page.reload()
    page.locator(".assistant").wait_for()
    assert titles(page) == ["one"]
    assert page.inner_text("#chats-trouble") == "1 stored chat is damaged and cannot be shown."


def test_chats_are_there_before_the_model_is(tiny_site: Path, open_page: Any) -> None:
    with serving(tiny_site) as server:
        watched = open_page(server)
        page = watched.page
        stand_in(page, REPLIES, chat=CHAT)
        watched.goto()
        page.locator(".prompt").first.wait_for()
        begin(page, "one", "two")
        page.click("#new-chat")
        large = {"weights": {"path": "x/", "nbytes": 262_000_000, "num_shards": 1}}
        stand_in(page, REPLIES, chat=CHAT, **large)
        page.reload()
        load = page.get_by_role("button", name="Load 262 MB")
        load.wait_for()
        with page.expect_download():
            page.click("#export-chats")
        act(page, "Rename", "two")
        page.fill("#chat-list input", "three")
        page.keyboard.press("Enter")
        page.locator(".chat-title", has_text="one").click()
        page.get_by_text("This chat opens when the model is loaded.").first.wait_for()
        load.click()
        page.locator(".assistant").wait_for()
        assert texts(page) == ["one", "First."]
        assert titles(page) == ["three", "one"]
        watched.check()


def test_two_tabs_show_the_same_chats(open_chat: Open) -> None:
    page = open_chat()
    begin(page, "one")
    other = page.context.new_page()
    stand_in(other, REPLIES, chat=CHAT)
    other.goto(page.url)
    other.locator(".chat-title").click()
    assert texts(other) == ["one", "First."]
    ask(other, "two")
    page.locator(".assistant", has_text="Second.").wait_for()  # what is open in both went on
    assert texts(page) == ["one", "First.", "two", "Second."]
    act(other, "Rename", "one")
    other.fill("#chat-list input", "new name")
    other.keyboard.press("Enter")
    page.locator(".chat-title", has_text="new name").wait_for()
    ask(page, "one")
    other.locator(".assistant").nth(2).wait_for()
    assert titles(other) == ["new name"]
    act(other, "Delete", "new name")
    page.locator("#no-chats").wait_for()
    assert texts(page) == ["one", "First.", "two", "Second.", "one", "First."]
