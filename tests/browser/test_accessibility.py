"""axe-core finds nothing in any main state of the page: light and dark, on phones and desktops."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from stand_in import CHAT, ask, stand_in

from webgemma.serve import serving

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]

AXE = Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js"
RUN = """async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  return violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id} (${help}): ${target} ${failureSummary}`));
}"""
RICH = """# Heading

Some **bold** text with `code`, a [link](https://example.org/) and a list:

1. one
2. two
   - [ ] deep

> quoted

| a | b |
|---|--:|
| 1 | 2 |

```python
print("a line that is far too long for a phone, so that it has to be scrolled to be read")
```
"""
REPLIES = {"rich": [RICH], "مرحبا": ["أهلا. كيف حالك؟\n\n- واحد"], "slow": ["word "] * 2000}
LARGE = {"weights": {"path": "x/", "nbytes": 262_000_000, "num_shards": 1}}


@pytest.fixture(scope="module")
def axe() -> str:
    """The script of axe-core."""
    if AXE.is_file():
        return AXE.read_text(encoding="utf-8")
    reason = "axe-core is not in node_modules (make check installs it)"
    if os.environ.get("WEBGEMMA_REQUIRE_BROWSER") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    """A colour scheme."""
    scheme: str = request.param
    return scheme


@pytest.fixture(params=[360, 1280])
def width(request: pytest.FixtureRequest) -> int:
    """The width of a phone, and of a desktop."""
    width: int = request.param
    return width


Check = Callable[[str], None]


@pytest.fixture
def opened(
    tiny_site: Path, open_page: Any, axe: str, scheme: str, width: int
) -> Iterator[Callable[..., tuple[Page, Check]]]:
    """Open the page with a stand-in; the function checks it as it is now."""
    with serving(tiny_site) as server:
        # Nothing moves while it is looked at: colours are those at rest.
        options = {"color_scheme": scheme, "reduced_motion": "reduce", "has_touch": width == 360}
        watched = open_page(server, viewport={"width": width, "height": 740}, **options)

        def open_(**manifest: Any) -> tuple[Page, Check]:
            stand_in(watched.page, REPLIES, **{"chat": CHAT, **manifest})
            page = watched.goto()
            page.evaluate(axe)

            def check(state: str) -> None:
                found = page.evaluate(RUN)
                assert found == [], f"{state}: " + "\n".join(found)
                assert page.evaluate("document.documentElement.scrollWidth") == width, state

            return page, check

        yield open_
        watched.check()
        watched.page.context.close()


def test_talking_to_a_model(opened: Callable[..., tuple[Page, Check]]) -> None:
    page, check = opened()
    page.locator(".prompt").first.wait_for()
    check("an empty chat")
    page.get_by_text("About this model").click()
    check("details of the model")
    ask(page, "rich")
    ask(page, "مرحبا")
    check("a conversation")
    page.get_by_role("button", name="Edit").last.click()
    check("editing a message")
    page.keyboard.press("Escape")
    page.click("#new-chat")
    page.fill("#input", "slow")
    page.press("#input", "Enter")
    page.locator(".assistant .markdown > *").wait_for()
    check("a reply that is being written")
    page.keyboard.press("Escape")
    page.locator(".facts").wait_for()
    check("a reply that was stopped")


def test_the_list_of_chats(opened: Callable[..., tuple[Page, Check]], width: int) -> None:
    page, check = opened()
    page.locator(".prompt").first.wait_for()
    if width == 360:
        page.click("#chats-button")
        check("an empty drawer")
        page.keyboard.press("Escape")
    for title in ("One", "A title that is much too long for the list that it stands in"):
        ask(page, title)
        page.click("#new-chat")
    if width == 360:
        page.click("#chats-button")
    check("a list")
    page.locator("#chat-list li").nth(1).hover()
    page.get_by_role("button", name="Rename One").click()
    check("a title being changed")
    page.keyboard.press("Escape")
    page.locator("#chat-list li").nth(1).hover()
    page.get_by_role("button", name="Delete One").click()
    check("a chat that was deleted")


def test_the_settings(opened: Callable[..., tuple[Page, Check]]) -> None:
    page, check = opened()
    page.locator(".prompt").first.wait_for()
    page.click("#settings-button")
    page.locator(".stored p").first.wait_for()
    check("the settings")
    page.fill("#top-k", "7")
    check("settings that differ")


def test_before_the_model_is_there(opened: Callable[..., tuple[Page, Check]]) -> None:
    page, check = opened(**LARGE)
    page.get_by_role("button", name="Load 262 MB").wait_for()
    check("a model that is offered")


def test_what_goes_wrong(opened: Callable[..., tuple[Page, Check]]) -> None:
    page, check = opened(chat=None)
    page.locator(".panel").wait_for()
    check("an error")
