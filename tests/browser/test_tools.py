"""Tools in Chromium, on models that say what a script has them say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from webgemma.checkpoint import TokenizerSource
from webgemma.serve import serving
from webgemma.tokenizer import Tokenizer, make_tokenizer_json

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

ROLE = {"prefix": "<start_of_turn>user\n", "suffix": "\n", "trim": True}
CHAT = {
    "prefix": "",
    "roles": {"user": ROLE, "assistant": ROLE, "system": ROLE},
    "generation_prefix": "",
}
TOOLS = [{"type": "function", "function": {"name": "now", "description": "The time"}}]
CREATE = """async (request) => {
  const { Engine } = await import("/webgemma/index.js");
  window.engine ??= await Engine.load("/models/tiny/");
  const answer = await engine.chat.completions.create(request);
  return request.stream ? Array.fromAsync(answer) : answer;
}"""


@pytest.fixture
def ask(tmp_path: Path, open_page: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Answer a request with a scripted reply, which a line break ends."""
    import tiny

    source = TokenizerSource(sentencepiece=(tiny.FIXTURES / "tokenizer.model").read_bytes())
    tokenizer = Tokenizer.from_json(make_tokenizer_json(source))
    scripted = tiny.NEXT.replace("(TOTAL + bias[TOTAL % V]) % V", "bias[state.num_generated]")
    kernels = {"shaders/next.wgsl": scripted, "shaders/next.subgroups.wgsl": scripted}
    monkeypatch.setattr(tiny, "SHADERS", tiny.SHADERS | kernels)
    monkeypatch.setattr(tiny, "CHAT", CHAT)

    def answer(script: str, messages: list[dict[str, Any]], **request: Any) -> Any:
        tokens = tokenizer.encode(script + "\n")
        bias = np.resize(np.array(tokens, np.uint32), tiny.V)
        monkeypatch.setattr(tiny, "BIAS", bias)
        tiny.write_site(tmp_path / "site")
        with serving(tmp_path / "site") as server:
            page = open_page(server).engine()
            options = {"messages": messages, "tools": TOOLS, "stop": "\n"}
            return page.evaluate(CREATE, options | request)

    return answer


QUESTION = [{"role": "user", "content": "?"}]


def test_a_call_becomes_tool_calls(ask: Any) -> None:
    (choice,) = ask('{"name": "now", "parameters": {"zone": "UTC"}}', QUESTION)["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    (call,) = choice["message"]["tool_calls"]
    assert call.pop("id").startswith("call_")
    assert call == {
        "type": "function",
        "function": {"name": "now", "arguments": '{"zone":"UTC"}'},
    }


def test_a_stream_has_the_calls_in_one_chunk(ask: Any) -> None:
    chunks = ask('[{"name": "now"}, {"name": "now"}]', QUESTION, stream=True)
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas[0] == {"role": "assistant", "content": ""}
    calls = deltas[1]["tool_calls"]
    assert [(call["index"], call["function"]["name"]) for call in calls] == [(0, "now"), (1, "now")]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None, None, "tool_calls"]


def test_text_stays_text(ask: Any) -> None:
    chunks = ask("It is late.", QUESTION, stream=True)
    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    assert (text, chunks[-1]["choices"][0]["finish_reason"]) == ("It is late.", "stop")
    assert len(chunks) > 4  # as it came


def test_a_call_that_was_cut_off_is_text(ask: Any) -> None:
    answer = ask('{"name": "now", "parameters": {}}', QUESTION, max_tokens=4)
    (choice,) = answer["choices"]
    assert choice["finish_reason"] == "length"
    assert choice["message"]["content"].startswith("{")
    assert "tool_calls" not in choice["message"]


def test_a_forced_call_is_begun_for_the_model(ask: Any) -> None:
    forced = {"type": "function", "function": {"name": "now"}}
    (choice,) = ask('{"zone": "UTC"}}', QUESTION, tool_choice=forced)["choices"]
    assert choice["message"]["tool_calls"][0]["function"]["arguments"] == '{"zone":"UTC"}'


def test_a_result_comes_back_to_the_model(ask: Any) -> None:
    call = {"id": "a", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    asked = [*QUESTION, {"role": "assistant", "content": None, "tool_calls": [call]}]
    result = {"role": "tool", "tool_call_id": "a", "content": "noon"}
    answer = ask("It is noon.", [*asked, result])
    assert answer["choices"][0]["message"]["content"] == "It is noon."
