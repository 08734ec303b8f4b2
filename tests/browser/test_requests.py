"""Every option of a request in Chromium, on the built-in model: what it does to the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from webgemma.serve import SiteServer

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

LOAD = """async () => {
  const { Engine } = await import("/webgemma/index.js");
  window.engine = await Engine.load("/models/pebble/", { variant: "software" });
}"""
CHAT = """async (request) => {
  const answer = await engine.chat.completions.create(request);
  return request.stream ? Array.fromAsync(answer) : answer;
}"""
COMPLETE = """async (request) => {
  const answer = await engine.completions.create(request);
  return request.stream ? Array.fromAsync(answer) : answer;
}"""
UNKNOWN = [{"role": "user", "content": "zig zag qqq?"}]  # the model is not sure what to say
STORY = [{"role": "user", "content": "Tell me a story about a fox and a lantern"}]


@pytest.fixture(scope="module")
def page(pebble: SiteServer, open_page: Callable[..., Any]) -> Iterator[Page]:
    watched = open_page(pebble)
    page = watched.engine()
    page.evaluate(LOAD)
    yield page
    watched.check()


def chat(page: Page, **request: Any) -> Any:
    return page.evaluate(CHAT, {"messages": STORY, "max_tokens": 6} | request)


def text_of(answer: Any, index: int = 0) -> str:
    content: str = answer["choices"][index]["message"]["content"]
    return content


def test_n_choices_have_seeds_in_a_row(page: Page) -> None:
    options = {"messages": UNKNOWN, "temperature": 2}
    answer = chat(page, n=3, seed=5, **options)
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2]
    alone = [text_of(chat(page, seed=seed, **options)) for seed in (5, 6, 7)]
    assert [text_of(answer, i) for i in range(3)] == alone
    assert len(set(alone)) == 3
    assert answer["usage"]["completion_tokens"] == 18


def test_chunks_of_several_choices(page: Page) -> None:
    options = {"messages": UNKNOWN, "temperature": 2, "n": 2, "seed": 5}
    chunks = chat(page, **options, stream=True)
    texts = ["", ""]
    for chunk in chunks:
        (choice,) = chunk["choices"]
        texts[choice["index"]] += choice["delta"].get("content", "")
    whole = chat(page, **options)
    assert texts == [text_of(whole, 0), text_of(whole, 1)]
    roles = [c["choices"][0]["index"] for c in chunks if "role" in c["choices"][0]["delta"]]
    assert roles == [0, 1]


def test_usage_comes_last_and_alone_if_it_is_asked_for(page: Page) -> None:
    chunks = chat(page, temperature=0, stream=True, stream_options={"include_usage": True})
    assert all(chunk["usage"] is None and chunk["choices"] for chunk in chunks[:-1])
    assert chunks[-1]["choices"] == []
    usage = chunks[-1]["usage"]
    assert usage["completion_tokens"] == 6
    assert usage["total_tokens"] == usage["prompt_tokens"] + 6
    assert usage["extra"]["decode_tokens_per_s"] > 0
    assert usage["extra"]["interrupted"] is False
    again = chat(page, temperature=0)["usage"]
    assert again["prompt_tokens_details"]["cached_tokens"] == usage["prompt_tokens"] - 1


def test_logprobs_are_the_models_own(page: Page) -> None:
    prompt = [2, 5, 17, 44, 9]
    request = {"prompt": prompt, "max_tokens": 4, "temperature": 0, "logprobs": 5}
    answer = page.evaluate(COMPLETE, request)
    ids = page.evaluate("(ids) => engine.generateTokens(ids, { maxTokens: 4 })", prompt)
    script = "async (ids) => Array.from(await engine.logits(ids))"
    rows = np.array(page.evaluate(script, [*prompt, *ids["token_ids"]]), np.float64)
    rows = rows.reshape(len(prompt) + 4, -1)[len(prompt) - 1 : -1]
    best = rows.max(axis=1, keepdims=True)
    expected = rows - best - np.log(np.exp(rows - best).sum(axis=1, keepdims=True))
    got = answer["choices"][0]["logprobs"]
    # `logits` runs the tiled kernels and `decode` the others: their sums differ in order.
    chosen = expected[range(4), ids["token_ids"]]
    np.testing.assert_allclose(got["token_logprobs"], chosen, atol=1e-4)
    assert "".join(got["tokens"]) == answer["choices"][0]["text"]
    for row, top in zip(expected, got["top_logprobs"], strict=True):
        np.testing.assert_allclose(sorted(top.values()), np.sort(row)[-5:], atol=1e-4)


def test_chat_logprobs_have_openais_shape(page: Page) -> None:
    answer = chat(page, temperature=0, logprobs=True, top_logprobs=2)
    entries = answer["choices"][0]["logprobs"]["content"]
    assert "".join(entry["token"] for entry in entries) == text_of(answer)
    assert bytes(byte for entry in entries for byte in entry["bytes"]).decode() == text_of(answer)
    for entry in entries:
        assert entry["logprob"] == entry["top_logprobs"][0]["logprob"] <= 0
        assert len(entry["top_logprobs"]) == 2
    chunks = chat(page, temperature=0, logprobs=True, top_logprobs=2, stream=True)
    streamed = [
        entry
        for chunk in chunks
        for entry in (chunk["choices"][0]["logprobs"] or {"content": []})["content"]
    ]
    assert streamed == entries
    assert chat(page, temperature=0)["choices"][0]["logprobs"] is None


def test_the_host_chooses_as_the_program_does(page: Page) -> None:
    """Asking for logprobs takes the other way through the sampler; the draws stay the same."""
    for seed in range(2):
        options = {"messages": UNKNOWN, "temperature": 2, "seed": seed}
        plain = chat(page, **options)
        assert text_of(chat(page, **options, logprobs=True)) == text_of(plain)
        everything = chat(page, **options, top_k=100_000, top_p=1, min_p=1e-9)
        assert text_of(everything) == text_of(plain)


def test_filters_leave_only_the_likeliest(page: Page) -> None:
    greedy = text_of(chat(page, messages=UNKNOWN, temperature=0))
    options = {"messages": UNKNOWN, "temperature": 2, "seed": 1}
    for filters in ({"top_k": 1}, {"top_p": 0}, {"min_p": 1}):
        assert text_of(chat(page, **options, **filters)) == greedy
    assert text_of(chat(page, **options)) != greedy


def test_penalties_and_bias_change_the_text(page: Page) -> None:
    request = {"prompt": [2, 17, 444, 17, 9], "temperature": 0, "max_tokens": 16}
    plain = page.evaluate(COMPLETE, request)["choices"][0]["text"]
    for penalty in ({"frequency_penalty": 2}, {"presence_penalty": -2}, {"repetition_penalty": 9}):
        assert page.evaluate(COMPLETE, request | penalty)["choices"][0]["text"] != plain
    (token,) = page.evaluate("engine.encode('fox')")[:1]
    forced = chat(page, temperature=0, max_tokens=3, logit_bias={str(token): 100})
    piece = page.evaluate("(id) => engine.decode([id, id, id])", token)
    assert text_of(forced) == piece


def test_a_text_is_continued(page: Page) -> None:
    request = {"prompt": "Once upon a time", "max_tokens": 8, "temperature": 0}
    answer = page.evaluate(COMPLETE, request)
    assert answer["object"] == "text_completion"
    assert answer["id"].startswith("cmpl-")
    (choice,) = answer["choices"]
    assert (choice["finish_reason"], choice["logprobs"]) == ("length", None)
    echoed = page.evaluate(COMPLETE, request | {"echo": True})["choices"][0]["text"]
    assert echoed == "Once upon a time" + choice["text"]
    chunks = page.evaluate(COMPLETE, request | {"echo": True, "stream": True})
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == echoed
    ids = [2, *page.evaluate("engine.encode('Once upon a time')")]
    same = page.evaluate(COMPLETE, request | {"prompt": ids})
    assert same["choices"][0]["text"] == choice["text"]


def test_interrupt_ends_the_reply_with_what_there_is(page: Page) -> None:
    script = """async (request) => {
      const chunks = [];
      for await (const chunk of await engine.chat.completions.create(request)) {
        chunks.push(chunk);
        if (chunk.choices[0]?.delta.content) engine.interrupt();
      }
      return chunks;
    }"""
    options = {"stream": True, "temperature": 0, "stream_options": {"include_usage": True}}
    chunks = page.evaluate(script, {"messages": STORY, **options})
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["usage"]["extra"]["interrupted"] is True
    assert 0 < chunks[-1]["usage"]["completion_tokens"] < 100


def test_a_signal_ends_a_running_reply(page: Page) -> None:
    script = """async (messages) => {
      const controller = new AbortController();
      const { signal } = controller;
      let pieces = 0;
      try {
        const request = { messages, stream: true, temperature: 0 };
        for await (const chunk of await engine.chat.completions.create(request, { signal })) {
          if (chunk.choices[0].delta.content && ++pieces === 2) controller.abort();
        }
      } catch (error) {
        return [error.name, pieces];
      }
    }"""
    assert page.evaluate(script, STORY) == ["AbortError", 2]
    assert chat(page, max_tokens=2, temperature=0)["usage"]["completion_tokens"] == 2


def test_a_signal_takes_a_waiting_request_out_of_the_queue(page: Page) -> None:
    script = """async (messages) => {
      const order = [];
      const ask = (name, max_tokens, signal) =>
        engine.chat.completions
          .create({ messages, max_tokens, temperature: 0 }, { signal })
          .then((answer) => order.push([name, answer.usage.completion_tokens]))
          .catch((error) => order.push([name, error.name]));
      const controller = new AbortController();
      const all = [
        ask("first", 20),
        ask("second", 20, controller.signal),
        ask("third", 3),
        ask("never", 3, AbortSignal.abort()),
      ];
      setTimeout(() => controller.abort(), 20);
      await Promise.all(all);
      return order;
    }"""
    assert page.evaluate(script, STORY) == [
        ["never", "AbortError"],
        ["second", "AbortError"],
        ["first", 20],
        ["third", 3],
    ]


def test_an_edited_message_rewinds_to_what_is_still_right(page: Page) -> None:
    turns = [*STORY, {"role": "assistant", "content": "No."}]
    ask = {"role": "user", "content": "What is 38 + 47?"}
    chat(page, messages=[*turns, ask], temperature=0)
    edited = [STORY[0], {"role": "assistant", "content": "Yes, gladly."}, ask]
    rewound = chat(page, messages=edited, temperature=0)
    page.evaluate("engine.resetChat()")
    fresh = chat(page, messages=edited, temperature=0)
    assert text_of(rewound) == text_of(fresh)
    assert fresh["usage"]["extra"]["cached_tokens"] == 0
    cached = rewound["usage"]["extra"]["cached_tokens"]
    assert 5 < cached < rewound["usage"]["prompt_tokens"] - 5


def test_a_full_context_ends_the_reply_or_drops_the_oldest_turns(page: Page) -> None:
    script = """async ([first, messages]) => {
      const { Engine } = await import("/webgemma/index.js");
      const options = { variant: "software", contextWindowSize: 96 };
      const small = await Engine.load("/models/pebble/", options);
      const create = (request) =>
        small.chat.completions
          .create({ temperature: 0, ...request })
          .catch((error) => error.message);
      const answers = [
        await create({ messages: first }),
        await create({ messages }),
        await create({ messages, context_full: "drop_oldest", max_tokens: 5 }),
      ];
      await small.unload();
      return answers;
    }"""
    turns: list[dict[str, str]] = []
    for number in range(8):
        turns.append({"role": "user", "content": f"What is {number} + 47?"})
        turns.append({"role": "assistant", "content": f"{number} + 47 = {number + 47}."})
    messages = [{"role": "system", "content": "Be brief."}, *turns, *STORY]
    whole, refused, dropped = page.evaluate(script, [STORY, messages])
    assert whole["choices"][0]["finish_reason"] == "length"
    usage = whole["usage"]
    assert usage["prompt_tokens"] + usage["completion_tokens"] == 97
    assert refused.startswith("prompt: got ")
    assert 96 / 3 < dropped["usage"]["prompt_tokens"] <= 96 - 5
    assert text_of(dropped)
