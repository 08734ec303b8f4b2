"""Drafted tokens in Chromium: the same text in fewer steps, whatever the drafts are worth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.pebble import graded_prompts
from webgemma.serve import SiteServer

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]

STORY = {"role": "user", "content": "Tell me a story about a fox and a lantern"}
LOAD = """async () => {
  const { Engine } = await import("/webgemma/index.js");
  const { loadModel } = await import("/webgemma/load.js");
  window.engine = await Engine.load("/models/pebble/");
  const url = new URL("/models/pebble/", location.href).href;
  window.model = await loadModel(url, { variant: "software" });
  await model.runner.prepareRest();
  await model.runner.prepare("verify");
}"""
CHAT = "(request) => engine.chat.completions.create(request)"
# Tokens behind a prompt, by steps whose drafter drafts whenever there is something to go by, or
# always what the model will hardly agree with.
GENERATE = """async ([tokens, count, sampling, kind]) => {
  const { Drafter } = await import("/webgemma/draft.js");
  const { GREEDY } = await import("/webgemma/sampling.js");
  const { makeSteps } = await import("/webgemma/steps.js");
  class Eager extends Drafter {
    get cost() {
      return 0;
    }
  }
  class Wrong extends Eager {
    draft(room) {
      return Array.from({ length: Math.min(this.most, room - 1) }, (_, i) => 1000 + i);
    }
  }
  const { session, runner } = model;
  session.reset();
  let chunk;
  for await (chunk of session.prefill(tokens, 0));
  const drafter = kind && new { Eager, Wrong }[kind](tokens);
  const chosen = { ...GREEDY, ...sampling };
  const steps = makeSteps(runner, chunk, tokens, chosen, count, null, drafter);
  const ids = [];
  while (ids.length < count) ids.push((await steps.next()).token_id);
  return { ids, drafted: drafter?.draftedTokens, accepted: drafter?.acceptedTokens };
}"""


@pytest.fixture(scope="module")
def page(pebble: SiteServer, open_page: Callable[..., Any]) -> Iterator[Page]:
    watched = open_page(pebble)
    page = watched.engine()
    page.evaluate(LOAD)
    yield page
    watched.check()


@pytest.fixture(scope="module")
def twice_told(page: Page) -> list[dict[str, str]]:
    """A conversation that asks again for what was said before."""
    said = chat(page, [STORY], max_tokens=120, draft=False)
    return [STORY, said["choices"][0]["message"], STORY]


def chat(page: Page, messages: list[dict[str, str]], **options: Any) -> dict[str, Any]:
    messages = [{"role": m["role"], "content": m["content"]} for m in messages]
    answer: dict[str, Any] = page.evaluate(
        CHAT, {"messages": messages, "temperature": 0, "max_tokens": 100, **options}
    )
    return answer


@pytest.mark.parametrize(
    ("kind", "sampling"),
    [
        ("Eager", {"temperature": 0}),
        ("Eager", {"temperature": 0.8, "seed": 4}),
        ("Wrong", {"temperature": 1.5, "seed": 9}),
    ],
)
def test_the_text_is_the_same(page: Page, kind: str, sampling: dict[str, float]) -> None:
    drafted = accepted = 0
    for row in graded_prompts()[::200]:
        ids = page.evaluate("(text) => engine.encode(text)", row["prompt"])
        plain = page.evaluate(GENERATE, [ids, 40, sampling, None])
        other = page.evaluate(GENERATE, [ids, 40, sampling, kind])
        assert other["ids"] == plain["ids"], row["prompt"]
        drafted += other["drafted"]
        accepted += other["accepted"]
    print(f"{kind}, {sampling}: {accepted} of {drafted} accepted")
    assert drafted > 0
    assert accepted < drafted / 2 if kind == "Wrong" else accepted > 0


def test_text_that_repeats_takes_few_steps(page: Page, twice_told: list[dict[str, str]]) -> None:
    plain = chat(page, twice_told, draft=False)
    drafted = chat(page, twice_told)
    assert drafted["choices"] == plain["choices"]
    extra = drafted["usage"]["extra"]
    steps = drafted["usage"]["completion_tokens"] - extra["accepted_tokens"]
    print(f"{steps} steps, {extra['accepted_tokens']} of {extra['drafted_tokens']} accepted")
    assert steps < 60
    assert extra["accepted_tokens"] <= extra["drafted_tokens"]
    assert plain["usage"]["extra"]["drafted_tokens"] == 0


def test_the_next_turn_finds_the_caches_right(page: Page, twice_told: list[dict[str, str]]) -> None:
    answer = chat(page, twice_told, max_tokens=60)
    ask = {"role": "user", "content": "What is 38 + 47?"}
    turns = [*twice_told, answer["choices"][0]["message"], ask]
    reused = chat(page, turns)
    assert reused["usage"]["extra"]["cached_tokens"] > answer["usage"]["prompt_tokens"]
    page.evaluate("engine.resetChat()")
    assert chat(page, turns, draft=False)["choices"] == reused["choices"]


def test_it_ends_where_it_does_without(page: Page, twice_told: list[dict[str, str]]) -> None:
    whole = chat(page, twice_told)["choices"][0]["message"]["content"]
    stop = whole[160:172]
    cut = chat(page, twice_told, stop=stop)["choices"][0]
    assert (cut["message"]["content"], cut["finish_reason"]) == (whole[: whole.index(stop)], "stop")
    for count in (1, 2, 9, 31):
        usage = chat(page, twice_told, max_tokens=count)["usage"]
        assert usage["completion_tokens"] == count
