"""Pages written for WebLLM and wllama, ported as docs/javascript.md says: two lines change."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from webgemma.serve import SiteServer

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

DOCS = Path(__file__).parents[2] / "docs" / "javascript.md"


def ported(name: str) -> str:
    """The example of a section after its two lines were changed."""
    section = DOCS.read_text("utf-8").split(f"## Coming from {name}\n")[1]
    lines = re.search(r"```diff\n(.*?)```", section, re.DOTALL)[1].splitlines()
    old, new = ([line for line in lines if line.startswith(sign)] for sign in "-+")
    assert len(old) == len(new) == 2
    assert all(line[1:].startswith("import ") for line in (old[0], new[0]))
    return "\n".join(line[1:] for line in lines if not line.startswith("-"))


@pytest.mark.parametrize("name", ["WebLLM", "wllama"])
def test_a_ported_example_answers(
    pebble: SiteServer, open_page: Callable[..., Any], name: str
) -> None:
    watched = open_page(pebble)
    watched.page.route(
        "**/ported.js",
        lambda route: route.fulfill(content_type="text/javascript", body=ported(name)),
    )
    page = watched.engine("sw.js")
    page.evaluate("document.body.replaceChildren(document.createElement('output'))")
    page.evaluate("import('/ported.js')")
    text = page.text_content("output")
    assert "85" in text, text
    watched.check()


def test_what_webllm_has_beside_that(pebble: SiteServer, open_page: Callable[..., Any]) -> None:
    page = open_page(pebble).engine()
    answer = page.evaluate(
        """async () => {
          const { CreateMLCEngine } = await import("/webgemma/compat/webllm.js");
          const reports = [];
          const engine = await CreateMLCEngine(
            "/models/pebble/",
            { initProgressCallback: (report) => reports.push(report) },
            { context_window_size: 128, temperature: 0 },
          );
          const messages = [{ role: "user", content: "How do you run?" }];
          const request = { messages, max_tokens: 4, model: "/models/pebble/", stream: true };
          let text = "";
          for await (const chunk of await engine.chat.completions.create(request)) {
            text += chunk.choices[0]?.delta.content ?? "";
          }
          const refused = await CreateMLCEngine("x", { appConfig: {} }).catch((e) => e.message);
          const answer = {
            text,
            message: await engine.getMessage(),
            last: reports.at(-1).progress,
            refused,
            context: engine.engine.info.context_window_size,
          };
          await engine.unload();
          const unloaded = await engine.chat.completions.create(request).catch((e) => e.message);
          return { ...answer, unloaded };
        }"""
    )
    assert answer["text"] == answer["message"] != ""
    assert (answer["last"], answer["context"]) == (1, 128)
    assert answer["refused"] == (
        "request: 'appConfig' is not supported (have initProgressCallback). Leave it out."
    )
    assert answer["unloaded"] == "no model is loaded. Call reload(modelId) first."


def test_what_wllama_has_beside_that(pebble: SiteServer, open_page: Callable[..., Any]) -> None:
    page = open_page(pebble).engine()
    answer = page.evaluate(
        """async () => {
          const { Wllama } = await import("/webgemma/compat/wllama.js");
          const wllama = new Wllama({ default: "./wllama.wasm" });
          const early = await wllama.createCompletion({ prompt: "x" }).catch((e) => e.message);
          const options = { n_ctx: 128, n_threads: 1 };
          await wllama.loadModelFromUrl("/models/pebble/", options);
          const ids = await wllama.tokenize("Once upon");
          let streamed = "";
          const request = { prompt: "Once upon", max_tokens: 5, temp: 0, logit_bias: [] };
          const onData = (chunk) => (streamed += chunk.choices[0].text);
          await wllama.createCompletion({ ...request, stream: true, onData });
          const whole = await wllama.createCompletion({ ...request, penalty_repeat: 1 });
          const text = new TextDecoder().decode(await wllama.detokenize(ids));
          const mirostat = await wllama
            .createCompletion({ ...request, mirostat: 2 })
            .catch((e) => e.message);
          await wllama.exit();
          return { early, text, streamed, whole: whole.choices[0].text, mirostat,
                   loaded: wllama.isModelLoaded() };
        }"""
    )
    assert answer["early"] == "no model is loaded. Call loadModelFromUrl(url) first."
    assert answer["text"] == "Once upon"
    assert answer["streamed"] == answer["whole"] != ""
    assert answer["mirostat"].startswith("request: 'mirostat' is not supported (have ")
    assert answer["loaded"] is False
