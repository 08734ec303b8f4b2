"""Real architectures in Chromium: exact logits, tokens, and OpenAI's shapes."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from webgemma.serve import SiteServer, serving

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

FIXTURES = Path(__file__).parents[1] / "fixtures"
TOLERANCE = 2e-3  # of a logit, against the exact ones; their standard deviation is 1
LOAD = """async ([model, variant]) => {
  const { Engine } = await import("/webgemma/index.js");
  window.engine = await Engine.load(`/models/${model}/`, { variant });
}"""
LOGITS = """async (tokens) => {
  const bytes = new Uint8Array((await engine.logits(tokens)).buffer);
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) {
    text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  }
  return btoa(text);
}"""


def logits(page: Page, tokens: list[int]) -> NDArray[np.float32]:
    data = base64.b64decode(page.evaluate(LOGITS, tokens))
    return np.frombuffer(data, np.float32).reshape(len(tokens), -1)


@contextmanager
def engine_of(
    site: Path, open_page: Callable[..., Any], model: str, variant: str
) -> Iterator[Page]:
    """Serve a site, and open a page with `engine` that nothing troubles."""
    with serving(site) as server:
        watched = open_page(server)
        page = watched.engine()
        page.evaluate(LOAD, [model, variant])
        yield page
        watched.check()
        page.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "variant"),
    [
        ("gemma-Q4_1", "f32"),
        ("gemma2-Q4_K", "f32"),
        ("gemma2-F16", "f32"),
        ("gemma2-Q4_K", "subgroups"),
        ("llama-Q4_0", "f32"),
    ],
)
def test_logits_are_exact(
    fixture_site: Callable[[str], Path], open_page: Callable[..., Any], name: str, variant: str
) -> None:
    expected = np.load(FIXTURES / f"{name}.npz")
    tokens = [int(token) for token in expected["tokens"]]
    with engine_of(fixture_site(name), open_page, "fixture", variant) as page:
        got = logits(page, tokens)
        error = np.abs(got - expected["logits"])
        print(f"{name} {variant}: maxdiff {error.max():.2e}")
        assert error.max() < TOLERANCE
        best = np.sort(expected["logits"], axis=-1)
        is_clear = best[:, -1] - best[:, -2] > 2 * TOLERANCE
        same = got.argmax(-1) == expected["logits"].argmax(-1)
        assert same[is_clear].all()
        check_greedy(page, tokens)


def check_greedy(page: Page, prompt: list[int], count: int = 12) -> None:
    """Free-running tokens are the arg-max of the teacher-forced logits over themselves."""
    script = "([tokens, maxTokens]) => engine.generateTokens(tokens, { maxTokens })"
    got = page.evaluate(script, [prompt, count])["token_ids"]
    rows = logits(page, [*prompt, *got])[len(prompt) - 1 : -1]
    best = np.sort(rows, axis=-1)
    is_clear = best[:, -1] - best[:, -2] > 2 * TOLERANCE
    assert (rows.argmax(-1) == got)[is_clear].all()


@pytest.fixture(scope="module")
def page(pebble: SiteServer, open_page: Callable[..., Any]) -> Iterator[Page]:
    """A page with `engine`: the built-in model, which chats."""
    watched = open_page(pebble)
    page = watched.engine()
    page.evaluate(LOAD, ["pebble", "auto"])
    yield page
    watched.check()


def create(page: Page, **request: Any) -> Any:
    request = {"messages": [{"role": "user", "content": "Tell me a story."}]} | request
    script = """async (request) => {
      const answer = await engine.chat.completions.create(request);
      return request.stream ? Array.fromAsync(answer) : answer;
    }"""
    return page.evaluate(script, request)


def test_a_completion_has_openais_shape(page: Page) -> None:
    answer = create(page, max_tokens=5, temperature=0)
    assert answer["object"] == "chat.completion"
    assert answer["model"] == "pebble"
    assert answer["id"].startswith("chatcmpl-")
    (choice,) = answer["choices"]
    assert choice["index"] == 0
    assert choice["message"]["role"] == "assistant"
    assert choice["message"]["content"]
    assert choice["finish_reason"] == "length"
    usage = answer["usage"]
    assert usage["completion_tokens"] == 5
    assert usage["total_tokens"] == usage["prompt_tokens"] + 5
    assert usage["extra"]["prefill_tokens_per_s"] > 0
    assert usage["extra"]["decode_tokens_per_s"] > 0


def test_chunks_join_to_the_completion(page: Page) -> None:
    whole = create(page, max_tokens=8, temperature=0)
    chunks = create(page, max_tokens=8, temperature=0, stream=True)
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert deltas[-1] == {}
    text = "".join(delta.get("content", "") for delta in deltas)
    assert text == whole["choices"][0]["message"]["content"]
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert reasons == [None] * (len(chunks) - 1) + ["length"]
    assert all("usage" not in chunk for chunk in chunks)
    assert {chunk["id"] for chunk in chunks} == {chunks[0]["id"]}


def test_a_seed_repeats_a_sampled_text_and_another_one_does_not(page: Page) -> None:
    texts = [
        create(page, max_tokens=12, temperature=1, seed=seed)["choices"][0]["message"]["content"]
        for seed in (1, 1, 2)
    ]
    assert texts[0] == texts[1] != texts[2]


def test_a_stop_string_ends_the_text_before_it(page: Page) -> None:
    text = create(page, max_tokens=12, temperature=0)["choices"][0]["message"]["content"]
    stop = text[len(text) // 2 : len(text) // 2 + 3]
    answer = create(page, max_tokens=12, temperature=0, stop=[stop])["choices"][0]
    assert answer["message"]["content"] == text[: text.index(stop)]
    assert answer["finish_reason"] == "stop"


def test_leaving_the_loop_stops_the_reply(page: Page) -> None:
    script = """async (request) => {
      const chunks = await engine.chat.completions.create(request);
      for await (const chunk of chunks) if (chunk.choices[0].delta.content) break;
      const short = { ...request, stream: false, max_tokens: 1 };
      const next = await engine.chat.completions.create(short);
      return next.usage.completion_tokens;
    }"""
    request = {
        "messages": [{"role": "user", "content": "Tell me a story."}],
        "stream": True,
        "temperature": 0,
        "stop": None,
    }
    assert page.evaluate(script, request) == 1


def test_unknown_fields_are_refused_by_name(page: Page) -> None:
    with pytest.raises(Exception, match="request: 'mirostat' is not supported") as refused:
        create(page, mirostat=2)
    assert "UnsupportedError" in str(refused.value)


def test_a_variant_the_device_cannot_run_is_refused(page: Page) -> None:
    script = """async () => {
      const adapter = await navigator.gpu.requestAdapter();
      if (adapter.features.has("shader-f16")) return null;
      const { Engine } = await import("/webgemma/index.js");
      return Engine.load("/models/pebble/", { variant: "f16" }).catch((e) => [e.name, e.message]);
    }"""
    answer = page.evaluate(script)
    if answer is None:
        pytest.skip("this adapter has shader-f16")
    message = "variant f16: the device has no shader-f16. Choose auto or f32."
    assert answer == ["GpuError", message]
