"""Opens the shipped page with a worker that answers in the engine's place.

The page, its policy and the engine's own end of the wire are those of the site; only the file
`webgemma/worker.js` is another. So a test decides what the model says, piece by piece.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

WORKER = (Path(__file__).parent / "stand_in.js").read_text(encoding="utf-8")
SECONDS = 90  # nothing here computes, but other tests may beside it
CHAT: dict[str, Any] = {
    "prefix": "<bos>",
    "roles": {
        "user": {"prefix": "<user>", "suffix": "\n", "trim": True},
        "assistant": {"prefix": "<model>", "suffix": "\n", "trim": True},
        "system": {"prefix": "<bos><system>", "suffix": "\n", "trim": True},
    },
    "generation_prefix": "<model>",
}
"""A chat template with a system role; the tiny model's own has none."""
ASKED = """
window.asked = [];
new BroadcastChannel("asked").onmessage = ({ data }) => window.asked.push(data);
"""


def stand_in(
    page: Page, replies: Mapping[str, Sequence[str]], *, pause_ms: int = 4, **manifest: Any
) -> None:
    """Let a page that is opened next talk to the stand-in.

    Args:
        page: Not opened yet.
        replies: Question -> pieces of its reply.
        pause_ms: Between two pieces.
        manifest: What the model's webgemma.json says otherwise.
    """
    from playwright.sync_api import Error

    body = WORKER.replace("REPLIES = {}", f"REPLIES = {json.dumps(replies)}")
    body = body.replace("MS_BETWEEN = 4", f"MS_BETWEEN = {pause_ms}")
    headers = {"content-type": "text/javascript"}
    page.set_default_timeout(1000 * SECONDS)
    page.route("**/webgemma/worker.js", lambda route: route.fulfill(body=body, headers=headers))
    page.add_init_script(ASKED)

    def change(route: Route) -> None:
        try:
            response = route.fetch()
            route.fulfill(response=response, body=json.dumps({**response.json(), **manifest}))
        except Error:
            if not page.is_closed():  # by a test that did not wait for the manifest
                raise

    if manifest:
        page.route("**/webgemma.json", change)


def ask(page: Page, text: str) -> str:
    """Ask something and wait for the whole reply."""
    count = page.locator(".assistant").count()
    page.fill("#input", text)
    page.press("#input", "Enter")
    page.locator(".assistant").nth(count).locator(".facts").wait_for()
    return page.locator(".assistant .markdown").last.inner_text()
