"""A GPU that goes away ends the reply by name; the model is built up again from what is stored."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tiny
from faults import FaultyServer, faulty

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.slow]

LENGTH = 60
TOKENS = tiny.generate([1, 2, 3], LENGTH)
ROUNDS = 100 if os.environ.get("WEBGEMMA_LONG") == "1" else 6
# In the worker: does something to the device after so many submits, when the page says so.
BREAK = """
const realRequestDevice = GPUAdapter.prototype.requestDevice;
GPUAdapter.prototype.requestDevice = async function (...args) {
  const device = await realRequestDevice.apply(this, args);
  new BroadcastChannel("break").onmessage = ({ data: { how, after } }) => {
    let count = 0;
    const { submit } = GPUQueue.prototype;
    device.queue.submit = function (commands) {
      submit.call(this, commands);
      if (count++ !== after) return;
      if (how === "destroy") device.destroy();
      if (how === "invalid") device.createBuffer({ size: 4, usage: 0xffff });
      if (how === "memory") {
        const error = new GPUOutOfMemoryError("no memory for 4 bytes");
        device.dispatchEvent(new GPUUncapturedErrorEvent("uncapturederror", { error }));
      }
    };
  };
  return device;
};
"""
PREPARE = """async () => {
  const { Engine } = await import("/webgemma/index.js");
  window.engine = await Engine.load("/models/tiny/");
  window.channel = new BroadcastChannel("break");
  window.generate = async (maxTokens) => {
    const seen = [];
    const call = window.engine.link.call(
      "generate",
      { tokenIds: [1, 2, 3], options: { maxTokens } },
      (event) => seen.push(event.token_id),
    );
    const error = await call.result.then(() => null, (error) => [error.name, error.message]);
    return [seen, error];
  };
}"""
ROUND = """async ([how, after, length]) => {
  await new Promise((resolve) => setTimeout(resolve, 20));
  window.channel.postMessage({ how, after });
  await window.engine.encode("the message was received before this is answered");
  const [seen, error] = await window.generate(length);
  const [, again] = await window.generate(1);
  await window.engine.recover();
  const [whole, none] = await window.generate(length);
  return { seen, error, again, whole, none };
}"""


def breakable(route: Route) -> None:
    response = route.fetch()
    route.fulfill(response=response, body=response.text() + BREAK)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyServer]:
    site = tmp_path_factory.mktemp("recovery") / "site"
    tiny.write_site(site)
    with faulty(site) as running:
        yield running


@pytest.fixture(scope="module")
def page(server: FaultyServer, open_page: Any) -> Page:
    page: Page = open_page(server).engine()
    page.route("**/webgemma/shared.js", breakable)
    page.evaluate(PREPARE)
    return page


def test_a_device_destroyed_at_any_step_ends_the_reply_and_is_recovered_from(
    server: FaultyServer, page: Page
) -> None:
    steps = random.Random(5)
    server.requests.clear()
    for _ in range(ROUNDS):
        # A prefill, the sampling of the first token, then decode steps, each with its read.
        result = page.evaluate(ROUND, ["destroy", steps.randrange(2 * LENGTH), LENGTH])
        assert result["error"][0] == result["again"][0] == "DeviceLostError"
        assert result["error"][1].startswith("the GPU was lost (")
        assert len(result["seen"]) < LENGTH
        assert result["seen"] == TOKENS[: len(result["seen"])]
        assert (result["whole"], result["none"]) == (TOKENS, None)
    assert not [name for name in server.requests if name.endswith((".bin", ".wgsl"))]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("invalid", "the GPU refused a command: "),
        ("memory", "the GPU refused a command: no memory for 4 bytes"),
    ],
)
def test_an_error_nobody_asked_about_ends_the_reply(
    server: FaultyServer, page: Page, how: str, message: str
) -> None:
    result = page.evaluate(ROUND, [how, 31, LENGTH])
    assert result["error"][0] == "GpuError"
    assert result["error"][1].startswith(message)
    assert result["seen"] == TOKENS[: len(result["seen"])]
    assert (result["whole"], result["none"]) == (TOKENS, None)


def test_the_page_offers_to_go_on(tmp_path: Path, open_page: Any) -> None:
    tiny.write_site(tmp_path / "site")
    with faulty(tmp_path / "site") as server:
        page = open_page(server).page
        page.route("**/webgemma/shared.js", breakable)
        page.goto(server.url + "?max_tokens=40")
        page.locator(".prompt").first.wait_for()
        page.fill("#input", "hello")
        page.press("#input", "Enter")
        page.locator(".facts").wait_for()
        expected = page.locator(".assistant .markdown").last.inner_text()
        page.evaluate(
            """() => {
              const channel = new BroadcastChannel("break");
              channel.postMessage({ how: "destroy", after: 21 });
            }"""
        )
        page.get_by_role("button", name="New chat").click()
        server.requests.clear()
        page.fill("#input", "hello")
        page.press("#input", "Enter")
        page.locator(".panel").wait_for()
        assert page.inner_text(".panel h2") == "The GPU was lost"
        page.get_by_role("button", name="Load it again and go on").click()
        page.locator(".facts").wait_for()
        assert page.locator(".assistant .markdown").last.inner_text() == expected
        assert page.locator(".panel").count() == 0
        assert not [name for name in server.requests if name.endswith(".bin")]
