"""The page of a model that sees: pictures come in by every way there is, and boxes over them."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from webgemma.serve import SiteServer, serving

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.xdist_group("browser"),
]

QUERY = "?max_tokens=4&temperature=0"
READY = ".own-picture"
CHOOSE = "#choose-picture"
MISSING = "Choose a picture first."
UNREADABLE = "{} is no picture that this browser can read. Choose a PNG or JPEG file."


def png(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((height, width, 3), 90, np.uint8)).save(file, "PNG")
    return file.getvalue()


def huge_png() -> bytes:
    """12000 x 9000 pixels in black and white: 15 kB, and 432 MB decoded."""
    file = io.BytesIO()
    Image.new("1", (12000, 9000)).save(file, "PNG")
    return file.getvalue()


CAT = {"name": "cat.png", "mimeType": "image/png", "buffer": png(60, 40)}
DOG = {"name": "dog.png", "mimeType": "image/png", "buffer": png(30, 50)}
NOTES = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"hello"}
BROKEN = {"name": "broken.png", "mimeType": "image/png", "buffer": b"hello"}
HALF = {"name": "half.png", "mimeType": "image/png", "buffer": png(300, 200)[:200]}
HUGE = {"name": "huge.png", "mimeType": "image/png", "buffer": huge_png()}

TRANSFER = """([kind, type, files]) => {
  const transfer = new DataTransfer();
  for (const { name, mimeType, data } of files) {
    const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
    transfer.items.add(new File([bytes], name, { type: mimeType }));
  }
  const target = document.activeElement ?? document.body;
  const init = { bubbles: true, cancelable: true };
  const event = kind === "paste"
    ? new ClipboardEvent(type, { ...init, clipboardData: transfer })
    : new DragEvent(type, { ...init, dataTransfer: transfer });
  return target.dispatchEvent(event);  // false: the page has taken it
}"""


def transfer(page: Page, kind: str, event: str, *files: dict[str, Any]) -> bool:
    """Let an event with files happen where the focus is; whether the page took it."""
    data = [
        {
            "name": file["name"],
            "mimeType": file["mimeType"],
            "data": base64.b64encode(file["buffer"]).decode(),
        }
        for file in files
    ]
    return not page.evaluate(TRANSFER, [kind, event, data])


def drop(page: Page, *files: dict[str, Any]) -> bool:
    return transfer(page, "drag", "drop", *files)


def paste(page: Page, *files: dict[str, Any]) -> bool:
    return transfer(page, "paste", "paste", *files)


def choose(page: Page, file: dict[str, Any]) -> None:
    page.set_input_files("#picture-file", [file])  # type: ignore[list-item]


def tray(page: Page) -> Locator:
    return page.locator("#picture-tray")


def problem(page: Page) -> str:
    shown = page.locator("#picture-problem")
    shown.wait_for()
    return shown.inner_text()


def ask(page: Page, text: str) -> None:
    count = page.locator(".facts").count()
    page.fill("#input", text)
    page.press("#input", "Enter")
    page.locator(".facts").nth(count).wait_for()


@pytest.fixture(scope="module")
def served(seeing_site: Path) -> Iterator[SiteServer]:
    with serving(seeing_site) as server:
        yield server


@pytest.fixture(scope="module")
def watched(served: SiteServer, open_page: Callable[..., Any]) -> Iterator[Any]:
    watched = open_page(served, viewport={"width": 1280, "height": 800})
    watched.goto(QUERY).wait_for_selector(READY)
    yield watched
    watched.check()


@pytest.fixture
def page(watched: Any) -> Page:
    """The loaded page with no picture, no text and no conversation."""
    page: Page = watched.page
    if page.locator("#new-chat").is_visible():
        page.click("#new-chat")
    if tray(page).is_visible():
        page.get_by_role("button", name="Remove the picture").click()
    page.fill("#input", "")
    page.locator("#welcome").wait_for(state="visible")
    return page


def test_the_page_invites_to_choose_a_picture(page: Page) -> None:
    text = page.inner_text("#welcome")
    assert "A model that looks at pictures" in text
    assert "your pictures stay on your device" in text
    assert page.locator(".sample img").evaluate_all("list => list.map((i) => i.alt)") == [
        f"{number} shapes" for number in range(2, 6)
    ]
    assert page.locator(".ask").all_inner_texts() == ["caption en", "detect …"]
    assert not tray(page).is_visible()


def test_a_chosen_picture_is_shown_and_asked_about(page: Page) -> None:
    choose(page, CAT)
    tray(page).wait_for()
    assert tray(page).locator("p").inner_text().split("\n") == ["cat.png", "60 \u00d7 40"]
    ask(page, "caption en")
    user = page.locator(".user")
    assert user.inner_text() == "caption en"
    assert user.locator("img").get_attribute("alt") == "The picture cat.png"
    assert user.locator("img").evaluate("(image) => image.naturalWidth") == 60
    # It stays for the next question, and is not shown again above it.
    ask(page, "detect cat")
    assert tray(page).is_visible()
    assert user.count() == 2
    assert user.last.locator("img").count() == 0
    choose(page, DOG)
    page.get_by_text("30 \u00d7 50").wait_for()
    ask(page, "detect cat")
    assert user.last.locator("img").get_attribute("alt") == "The picture dog.png"


def test_every_question_stands_alone(page: Page) -> None:
    """The same question has the same answer whatever was asked before."""
    choose(page, CAT)
    tray(page).wait_for()
    for text in ("caption en", "detect dog", "caption en"):
        ask(page, text)
    answers = page.locator(".assistant .markdown").all_inner_texts()
    assert answers[0] == answers[2] != ""


def test_a_camera_is_asked_for_where_fingers_are(
    served: SiteServer, page: Page, open_page: Callable[..., Any]
) -> None:
    assert page.get_attribute("#picture-camera", "capture") == "environment"
    assert page.get_attribute("#picture-camera", "accept") == "image/*"
    assert not page.locator("#take-photo").is_visible()
    phone = open_page(served, viewport={"width": 360, "height": 740}, has_touch=True)
    other = phone.goto(QUERY)
    other.wait_for_selector(READY)
    for opener in ("#take-photo", ".own-picture .photo"):
        with other.expect_file_chooser() as chooser:
            other.click(opener)
        assert chooser.value.element.get_attribute("id") == "picture-camera"
    chooser.value.set_files([CAT])  # type: ignore[list-item]
    tray(other).wait_for()
    assert other.evaluate("document.documentElement.scrollWidth") == 360
    for name in (CHOOSE, "#take-photo", "#send", "#input"):
        box = other.locator(name).bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
        assert box["height"] >= 36
    phone.check()
    other.close()


def test_both_buttons_open_the_list_of_files(page: Page) -> None:
    for opener in (CHOOSE, ".own-picture .primary"):
        with page.expect_file_chooser() as chooser:
            page.click(opener)
        assert chooser.value.element.get_attribute("id") == "picture-file"
        assert not chooser.value.is_multiple()


def test_a_picture_is_dropped(page: Page) -> None:
    assert transfer(page, "drag", "dragover", CAT)
    assert page.evaluate("document.body.className") == "dropping"
    assert drop(page, NOTES, CAT)  # the first picture counts
    page.get_by_text("cat.png").wait_for()
    assert page.evaluate("document.body.className") == ""


def test_a_dragged_text_is_left_to_the_browser(page: Page) -> None:
    assert not transfer(page, "drag", "dragover")
    assert not drop(page)
    assert page.evaluate("document.body.className") == ""


def test_a_picture_is_pasted_and_a_text_goes_into_the_field(page: Page) -> None:
    page.focus("#input")
    assert not paste(page)
    assert not paste(page, NOTES)
    assert not tray(page).is_visible()
    assert paste(page, DOG)
    page.get_by_text("the pasted picture").wait_for()


def test_a_picture_is_removed(page: Page) -> None:
    choose(page, CAT)
    page.get_by_role("button", name="Remove the picture cat.png").click()
    tray(page).wait_for(state="hidden")
    assert page.evaluate("document.activeElement.id") == "choose-picture"
    page.fill("#input", "caption en")
    page.press("#input", "Enter")
    assert problem(page) == MISSING
    assert page.input_value("#input") == "caption en"
    assert page.locator(".message").count() == 0
    choose(page, CAT)  # the same file again
    tray(page).wait_for()
    assert not page.locator("#picture-problem").is_visible()
    page.press("#input", "Enter")
    page.locator(".facts").wait_for()


def test_a_sample_is_taken(page: Page) -> None:
    page.get_by_role("button", name="3 shapes").click()
    tray(page).wait_for()
    assert tray(page).inner_text().split("\n")[:2] == ["3 shapes", "384 \u00d7 384"]


def test_suggestions_are_asked_or_begun(page: Page) -> None:
    page.get_by_role("button", name="caption en").click()
    assert problem(page) == MISSING
    assert page.input_value("#input") == "caption en"
    choose(page, CAT)
    page.get_by_role("button", name="detect …").click()
    assert page.input_value("#input") == "detect "
    assert page.evaluate("document.activeElement.id") == "input"
    assert page.locator(".message").count() == 0
    page.get_by_role("button", name="caption en").click()
    page.locator(".facts").wait_for()
    assert page.inner_text(".user") == "caption en"


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (BROKEN, UNREADABLE.format("Broken.png")),
        (HALF, UNREADABLE.format("Half.png")),
        (NOTES, UNREADABLE.format("Notes.txt")),
        (
            HUGE,
            "Image: got 12000 x 9000 pixels, expected at most 64 million, and no side over 65535. "
            "Give a smaller picture.",
        ),
    ],
    ids=["broken", "half", "text", "huge"],
)
def test_a_bad_file_is_one_clear_error_and_changes_nothing(
    page: Page, file: dict[str, Any], message: str
) -> None:
    choose(page, CAT)
    page.get_by_text("cat.png").wait_for()
    drop(page, file)
    assert problem(page) == message
    assert page.get_by_text(message).count() == 1
    assert tray(page).inner_text().startswith("cat.png")
    choose(page, DOG)
    page.get_by_text("dog.png").wait_for()
    assert not page.locator("#picture-problem").is_visible()


NOTE_REVOKED = """() => {
  window.revoked = [];
  const revoke = URL.revokeObjectURL.bind(URL);
  URL.revokeObjectURL = (url) => {
    revoked.push(url);
    revoke(url);
  };
}"""


def test_a_new_chat_lets_old_pictures_go(page: Page) -> None:
    choose(page, CAT)
    page.get_by_text("cat.png").wait_for()
    ask(page, "caption en")
    old = page.locator(".user img").get_attribute("src")
    choose(page, DOG)
    page.get_by_text("dog.png").wait_for()
    page.evaluate(NOTE_REVOKED)
    page.click("#new-chat")
    page.locator("#welcome").wait_for(state="visible")
    assert page.evaluate("revoked") == [old]
    assert tray(page).inner_text().startswith("dog.png")


ANSWER = (
    "<loc0256><loc0128><loc0768><loc0512> red circle ; "
    "<loc0000><loc0512><loc0512><loc1023><seg012><seg127> a star ;"
    "<loc0900><loc0100><loc0600><loc0050> <script>alert(1)</script>"
)
SHOW = """async ([file, text]) => {
  const { SeenView } = await import("/app/seen.js");
  const { openPicture } = await import("/app/picture.js");
  const bytes = Uint8Array.from(atob(file), (c) => c.charCodeAt(0));
  const body = document.createElement("div");
  body.className = "markdown";
  document.getElementById("messages").replaceChildren(body);
  const view = new SeenView(body, await openPicture(new Blob([bytes]), "shapes"));
  for (let i = 7; i < text.length; i += 7) view.show(text.slice(0, i), { whole: false });
  view.show(text, { whole: true });
}"""


def show(page: Page, text: str, picture: bytes = CAT["buffer"]) -> None:
    """Let an answer grow on the page as it does while it is written."""
    page.evaluate(SHOW, [base64.b64encode(picture).decode(), text])


def test_boxes_lie_where_the_answer_says(page: Page) -> None:
    show(page, ANSWER)
    frame = page.locator(".seen").bounding_box()
    assert frame
    assert frame["width"] / frame["height"] == pytest.approx(60 / 40, rel=0.01)
    assert page.locator(".seen img").get_attribute("alt") == "The picture shapes"
    places = [(0.125, 0.25, 0.5, 0.75), (0.5, 0, 1023 / 1024, 0.5)]
    places.append((50 / 1024, 600 / 1024, 100 / 1024, 900 / 1024))  # first edges are the smaller
    for box, (left, top, right, bottom) in zip(page.locator(".box").all(), places, strict=True):
        drawn = box.bounding_box()
        assert drawn
        assert drawn["x"] == pytest.approx(frame["x"] + left * frame["width"], abs=0.6)
        assert drawn["y"] == pytest.approx(frame["y"] + top * frame["height"], abs=0.6)
        assert drawn["width"] == pytest.approx((right - left) * frame["width"], abs=0.6)
        assert drawn["height"] == pytest.approx((bottom - top) * frame["height"], abs=0.6)


def test_boxes_are_named_in_the_picture_and_in_a_list(page: Page) -> None:
    show(page, ANSWER)
    labels = page.locator(".box span").all_inner_texts()
    assert labels == ["1 red circle", "2 a star", "3 something"]
    items = [
        item.replace("\u00a0", " ") for item in page.locator(".found li p").all_text_contents()
    ]
    assert items[0] == "red circle: 13 % from the left, 25 % from the top, 38 % wide, 50 % high"
    assert items[1].startswith("a star: 50 % from the left, 0 % from the top")
    assert page.locator(".found code").all_inner_texts() == ["12 127"]
    assert page.locator(".found li p").nth(1).is_visible()
    colours = page.locator(".box").evaluate_all(
        "boxes => boxes.map((box) => getComputedStyle(box).borderTopColor)"
    )
    assert len(set(colours)) == 3
    assert page.locator("#messages script").count() == 0


def test_one_box_needs_no_number(page: Page) -> None:
    show(page, ANSWER.split(";")[0])
    assert page.locator(".box span").all_inner_texts() == ["red circle"]


def test_an_answer_without_boxes_is_a_text(page: Page) -> None:
    show(page, " no green <b>cross</b>, *none*")
    assert page.inner_text("#messages") == "no green <b>cross</b>, *none*"
    show(page, "<loc0001><loc0002> half a box")
    assert page.inner_text("#messages") == "<loc0001><loc0002> half a box"


def test_labels_stay_on_a_phones_screen(page: Page) -> None:
    label = "a thing with a very long name that goes on and on"
    corners = [(y, x) for y in (0, 900) for x in (0, 900)]
    boxes = [
        "".join(f"<loc{edge:04}>" for edge in (y, x, y + 100, x + 100)) + label for y, x in corners
    ]
    page.set_viewport_size({"width": 360, "height": 740})
    try:
        show(page, " ; ".join(boxes), png(50, 50))
        assert page.evaluate("document.getElementById('scroller').scrollWidth") <= 360
        for drawn in page.locator(".box span").all():
            box = drawn.bounding_box()
            assert box
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 360
    finally:
        page.set_viewport_size({"width": 1280, "height": 800})


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_white_labels_can_be_read_on_every_colour() -> None:
    """WCAG's 4.5 to 1 for small text."""
    style = Path(__file__).parents[2] / "web/app/picture.css"
    colours = re.findall(r"--found-\d: (#[0-9a-f]{6});", style.read_text(encoding="utf-8"))
    assert len(set(colours)) == 6
    for colour in colours:
        assert 1.05 / (luminance(colour) + 0.05) >= 4.5, colour


FOCUSED = """() => {
  const { ariaLabel, className, tagName } = document.activeElement;
  return ariaLabel ?? (className || tagName);
}"""


def test_keyboard_alone_is_enough(page: Page) -> None:
    page.get_by_role("button", name="2 shapes").focus()
    page.keyboard.press("Enter")
    tray(page).wait_for()
    page.focus("#input")
    order = []
    for _ in range(12):
        page.keyboard.press("Shift+Tab")
        order.append(page.evaluate(FOCUSED))
    print(order)
    assert order[0] == "Choose a picture"
    assert order[1] == "Remove the picture 2 shapes"
    assert order[2:4] == ["ask", "ask"]
    assert "sample" in order
    assert "primary" in order
    page.get_by_role("button", name="Remove the picture").focus()
    page.keyboard.press("Enter")
    tray(page).wait_for(state="hidden")
    assert page.evaluate("document.activeElement.id") == "choose-picture"


def test_a_model_of_text_beside_it_has_nothing_of_this(
    seeing_site: Path, tiny_site: Path, tmp_path: Path, open_page: Callable[..., Any]
) -> None:
    site = Path(shutil.copytree(seeing_site, tmp_path / "site"))
    shutil.copytree(tiny_site / "models/tiny", site / "models/tiny")
    index = json.loads((site / "models/index.json").read_text())
    index["models"].append({"id": "tiny", "name": "Tiny"})
    (site / "models/index.json").write_text(json.dumps(index))
    with serving(site) as server:
        watched = open_page(server)
        page = watched.goto("?max_tokens=3")
        page.wait_for_selector(READY)
        choose(page, CAT)
        tray(page).wait_for()
        page.select_option("#model-select", "tiny")
        page.wait_for_selector(".prompt")
        for hidden in ("#picture-tray", CHOOSE, "#take-photo", "#asks", READY):
            assert not page.locator(hidden).is_visible()
        page.focus("#input")
        assert not paste(page, CAT)
        assert not transfer(page, "drag", "dragover", CAT)
        assert not drop(page, CAT)
        ask(page, "hello")
        assert page.locator(".user img").count() == 0
        page.select_option("#model-select", "seeing")
        page.locator(READY).wait_for()
        assert not tray(page).is_visible()
        watched.check()
