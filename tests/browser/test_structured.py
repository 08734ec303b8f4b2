"""Replies held to JSON Schemas in Chromium, by the built-in model; tests/runtime has the twin."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from tests.support.schemas import schema
from webgemma.build import build_site
from webgemma.resources import built_in_model
from webgemma.serve import SiteServer, serving

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

IS_LONG = os.environ.get("WEBGEMMA_LONG") == "1"
SCHEMAS = 200 if IS_LONG else 8
ROOM = 120  # tokens: for about one reply of three too few to say all it wants
CREATE = """async (request) => {
  const { Engine } = await import("/webgemma/index.js");
  window.engine ??= await Engine.load("/models/pebble/");
  try {
    return await engine.chat.completions.create(request);
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
}"""
MESSAGES = [{"role": "user", "content": "Tell me about yourself."}]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SiteServer]:
    """The built-in model in a site with structured output."""
    folder = tmp_path_factory.mktemp("structured") / "site"
    build_site(built_in_model(), folder, model_id="pebble", structured_output=True)
    with serving(folder) as server:
        yield server


@pytest.fixture(scope="module")
def watched(site: SiteServer, open_page: Callable[..., Any]) -> Any:
    watched = open_page(site)
    watched.engine()
    return watched


def request(wanted: Any, **options: Any) -> dict[str, Any]:
    named = {"name": "reply", "schema": wanted}
    response_format = {"type": "json_schema", "json_schema": named}
    return {"messages": MESSAGES, "response_format": response_format, **options}


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(start, marks=[pytest.mark.timeout(3000)])
        for start in range(0, SCHEMAS, 40 if IS_LONG else SCHEMAS)
    ],
)
def test_replies_are_values_of_their_schemas(watched: Any, start: int) -> None:
    for number in range(start, min(start + 40, SCHEMAS)):
        wanted = schema(number)
        options = {"temperature": 1.5, "seed": number, "max_tokens": ROOM}
        completion = watched.page.evaluate(CREATE, request(wanted, **options))
        assert isinstance(completion, dict), completion
        (choice,) = completion["choices"]
        assert choice["finish_reason"] == "stop"
        assert completion["usage"]["completion_tokens"] < ROOM
        jsonschema.validate(json.loads(choice["message"]["content"]), wanted)
    watched.check()


def test_any_json_greedy_and_streamed(watched: Any) -> None:
    ask = {"messages": MESSAGES, "response_format": {"type": "json_object"}, "max_tokens": 40}
    completion = watched.page.evaluate(CREATE, {**ask, "temperature": 0})
    text = completion["choices"][0]["message"]["content"]
    assert isinstance(json.loads(text), dict)
    streamed = """async (request) => {
      let text = "";
      for await (const { choices } of await engine.chat.completions.create(request)) {
        text += choices[0]?.delta.content ?? "";
      }
      return text;
    }"""
    assert watched.page.evaluate(streamed, {**ask, "temperature": 0, "stream": True}) == text


def test_what_cannot_be_enforced_is_refused_and_the_next_reply_comes(watched: Any) -> None:
    page: Page = watched.page
    assert page.evaluate(CREATE, request({"type": "integer", "multipleOf": 7})) == (
        "UnsupportedError: response_format: #/multipleOf of the schema cannot be enforced. "
        "Leave it out; docs/structured.md lists what is enforced."
    )
    assert page.evaluate(CREATE, request({"const": "a long text"}, max_tokens=3)).startswith(
        "ConfigError: response_format: the shortest reply takes "
    )
    tools = [{"type": "function", "function": {"name": "f"}}]
    assert page.evaluate(CREATE, request({"const": 1}, tools=tools)) == (
        "ConfigError: request: 'response_format': got \"JSON\", expected text beside tools: a "
        "reply is one or the other."
    )
    completion = page.evaluate(CREATE, request({"const": [1, "x"]}))
    assert completion["choices"][0]["message"]["content"] == '[1, "x"]'


def test_a_site_built_without_it_says_so(pebble: SiteServer, open_page: Callable[..., Any]) -> None:
    watched = open_page(pebble)
    page = watched.engine()
    assert page.evaluate(CREATE, request({"const": 1})) == (
        "UnsupportedError: response_format: this site cannot hold replies to JSON. Build it again "
        "with: webgemma build --structured-output"
    )
    watched.check()
    root = Path(pebble.root)
    assert not list((root / "vendor").glob("xgrammar*"))
    assert "wasm" not in (root / "index.html").read_text()
