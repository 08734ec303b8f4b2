"""Chat after chat on one engine: the GPU's bytes stay as they are, and nothing fails unseen."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from webgemma.serve import SiteServer

if TYPE_CHECKING:
    from playwright.sync_api import Route

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.xdist_group("browser"),
    pytest.mark.timeout(7200),
]

IS_LONG = os.environ.get("WEBGEMMA_LONG") == "1"
CHATS, TOKENS = (50, 10_000) if IS_LONG else (5, 250)
# In the worker: what is allocated on the GPU, and every error that nobody asked for.
COUNT = """
const live = new Map();
let errors = 0;
const { createBuffer, createTexture } = GPUDevice.prototype;
GPUDevice.prototype.createBuffer = function (descriptor) {
  const buffer = createBuffer.call(this, descriptor);
  live.set(buffer, buffer.size);
  return buffer;
};
GPUDevice.prototype.createTexture = function (descriptor) {
  const texture = createTexture.call(this, descriptor);
  live.set(texture, texture.width * texture.height * 16); // matrices: rgba32uint
  return texture;
};
for (const { prototype } of [GPUBuffer, GPUTexture]) {
  const { destroy } = prototype;
  prototype.destroy = function () {
    live.delete(this);
    destroy.call(this);
  };
}
const openDevice = GPUAdapter.prototype.requestDevice;
GPUAdapter.prototype.requestDevice = async function (...args) {
  const device = await openDevice.apply(this, args);
  device.addEventListener("uncapturederror", () => errors++);
  return device;
};
const counting = new BroadcastChannel("count");
counting.onmessage = ({ data }) => {
  if (data !== "count" || "document" in globalThis) return; // the page has this module too
  const nbytes = [...live.values()].reduce((sum, size) => sum + size, 0);
  counting.postMessage({ nbytes, number: live.size, errors });
};
"""
LOAD = """async () => {
  const { Engine } = await import("/webgemma/index.js");
  window.engine = await Engine.load("/models/pebble/", { contextWindowSize: 512 });
  window.channel = new BroadcastChannel("count");
  window.count = () => new Promise((resolve) => {
    window.channel.onmessage = ({ data }) => resolve(data);
    window.channel.postMessage("count");
  });
}"""
# A chat of several turns; every other one is drawn on the host, with its read-backs of logits.
CHAT = """async ([number, atLeast]) => {
  await window.engine.resetChat();
  const messages = [];
  let tokens = 0;
  while (tokens < atLeast) {
    messages.push({ role: "user", content: `Tell me story ${number}.` });
    const { choices, usage } = await window.engine.chat.completions.create({
      messages,
      max_tokens: Math.min(100, atLeast - tokens),
      seed: number,
      temperature: 1,
      top_k: number % 2 ? 20 : 0,
      context_full: "drop_oldest",
    });
    tokens += Math.max(1, usage.completion_tokens);
    messages.push(choices[0].message);
  }
  return [tokens, await window.count()];
}"""


def counting(route: Route) -> None:
    response = route.fetch()
    route.fulfill(response=response, body=response.text() + COUNT)


def test_many_chats_leave_the_gpu_as_it_was(pebble: SiteServer, open_page: Any) -> None:
    watched = open_page(pebble)
    page = watched.engine()
    page.set_default_timeout(0)
    page.route("**/webgemma/shared.js", counting)
    page.evaluate(LOAD)
    planned = page.evaluate("() => window.engine.info.memory.total_nbytes")
    counts, tokens = [], 0
    for number in range(CHATS):
        produced, count = page.evaluate(CHAT, [number, TOKENS // CHATS])
        tokens += produced
        counts.append(count)
    print(f"{tokens} tokens in {CHATS} chats: {counts[-1]}, planned {planned} bytes")
    assert tokens >= TOKENS
    assert counts[0]["nbytes"] >= planned
    # The first two chats made the staging buffers that all others find in the pool.
    assert all(count == counts[1] for count in counts[2:]), counts
    assert counts[-1]["nbytes"] <= planned * 1.01
    assert counts[-1]["errors"] == 0
    page.evaluate("() => window.engine.unload()")
    watched.check()
