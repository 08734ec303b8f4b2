"""The runner, session and engine in Chromium, on a program that is computed in the head."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from webgemma.serve import serving

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

LOAD = """async (options) => {
  const { Engine } = await import("/webgemma/index.js");
  window.progress = [];
  const onProgress = (progress) => window.progress.push(progress);
  window.engine = await Engine.load("/models/tiny/", { ...options, onProgress });
  return engine.info;
}"""
# Texts behind some prompts, one after the other, and the phases that ran for each; in the page, as
# nothing compiles there by itself while nobody asks.
WATCH_PHASES = """async (prompts) => {
  const { loadModel } = await import("/webgemma/load.js");
  const { runner, session } = await loadModel(new URL("/models/tiny/", location.href).href);
  const run = runner.run.bind(runner);
  let phases = [];
  runner.run = (phase, symbols) => {
    phases.push(phase);
    run(phase, symbols);
  };
  const results = [];
  for (const prompt of prompts) {
    phases = [];
    const ids = [];
    const options = { maxTokens: 3, draft: false };
    for await (const { token_id } of session.generate(prompt, options)) ids.push(token_id);
    results.push([ids, phases]);
  }
  runner.destroy();
  return results;
}"""
PROMPT = [5, 17, 600, 3, 3, 44]


@pytest.fixture(scope="module")
def page(tiny_site: Path, open_page: Callable[..., Any]) -> Iterator[Page]:
    with serving(tiny_site) as server:
        watched = open_page(server)
        page = watched.engine()
        page.evaluate(LOAD, {})
        yield page
        watched.check()


def generate(page: Page, tokens: list[int], **options: Any) -> dict[str, Any]:
    script = "([tokens, options]) => engine.generateTokens(tokens, options)"
    result: dict[str, Any] = page.evaluate(script, [tokens, options])
    return result


def test_loading_reports_what_it_is_and_how_far_it_got(page: Page, tiny_site: Path) -> None:
    info = page.evaluate("engine.info")
    assert info["id"] == "tiny"
    assert info["variant"] == "subgroups"
    assert info["context_window_size"] == 300
    progress = page.evaluate("progress")
    stages = list(dict.fromkeys(step["stage"] for step in progress))
    assert stages == ["manifest", "weights", "compile", "ready"]
    last = progress[-1]
    shards = sum(path.stat().st_size for path in tiny_site.rglob("*.bin"))
    tokenizer = (tiny_site / "models/tiny/tokenizer.json").stat().st_size
    assert last["loaded_nbytes"] == last["total_nbytes"] == shards + tokenizer
    assert last["compiled_kernels"] == last["num_kernels"] == 2  # those that the first token takes


def test_steps_chain_on_the_gpu_past_the_ring(page: Page) -> None:
    import tiny

    result = generate(page, PROMPT, maxTokens=3 * tiny.RING)
    assert result["token_ids"] == tiny.generate(PROMPT, 3 * tiny.RING)
    assert result["finish_reason"] == "length"


def test_a_prompt_longer_than_a_chunk_is_prefilled_in_chunks(page: Page) -> None:
    import tiny

    prompt = [(7 * i) % tiny.V for i in range(3 * tiny.PREFILL_CHUNK + 5)]
    assert generate(page, prompt, maxTokens=4)["token_ids"] == tiny.generate(prompt, 4)


def test_a_short_prompt_does_not_wait_for_prefill_to_compile(
    tmp_path: Path, open_page: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the two compute the same: such a program has a phase `verify`."""
    import tiny

    plain = tiny.program()
    both = {**plain, "phases": {**plain["phases"], "verify": []}}  # nothing drafts here
    monkeypatch.setattr(tiny, "program", lambda slices: both)
    tiny.write_site(tmp_path / "site")
    turn = [*PROMPT, *tiny.generate(PROMPT, 3), 9]
    long = [(7 * i) % tiny.V for i in range(tiny.PREFILL_CHUNK + 5)]
    prompts = [PROMPT, turn, long, PROMPT]
    with serving(tmp_path / "site") as server:
        results = open_page(server).engine().evaluate(WATCH_PHASES, prompts)
    assert [ids for ids, _ in results] == [tiny.generate(prompt, 3) for prompt in prompts]
    behind = ["sample", "decode", "decode"]
    assert [phases for _, phases in results] == [
        ["append"] * (len(PROMPT) - 1) + ["layers"] + behind,
        ["append", "layers", *behind],  # the last of the text before it was not run yet
        ["prefill"] * 2 + behind,
        ["prefill", *behind],
    ]


def test_a_short_prompt_is_prefilled_where_decode_may_compute_something_else(page: Page) -> None:
    import tiny

    [(ids, phases)] = page.evaluate(WATCH_PHASES, [PROMPT])
    assert ids == tiny.generate(PROMPT, 3)
    assert phases == ["prefill", "sample", "decode", "decode"]


def test_the_next_turn_prefills_only_what_is_new(page: Page) -> None:
    import tiny

    prompt = [11, 22, 33]
    first = generate(page, prompt, maxTokens=9)
    turn = [*prompt, *first["token_ids"], 44, 55]
    second = generate(page, turn, maxTokens=5)
    # The last generated token was never run, so it is new as well.
    assert second["cached_tokens"] == len(prompt) + 8
    assert second["token_ids"] == tiny.generate(turn, 5)
    changed = [*prompt, 333, *turn[4:]]
    third = generate(page, changed, maxTokens=5)
    assert third["cached_tokens"] == len(prompt)
    assert third["token_ids"] == tiny.generate(changed, 5)


def test_the_same_prompt_again_runs_its_last_token(page: Page) -> None:
    import tiny

    first, second = (generate(page, PROMPT, maxTokens=3) for _ in range(2))
    assert first["token_ids"] == second["token_ids"] == tiny.generate(PROMPT, 3)
    assert second["cached_tokens"] == len(PROMPT) - 1


def test_a_reset_forgets_the_conversation(page: Page) -> None:
    generate(page, PROMPT, maxTokens=2)
    page.evaluate("engine.resetChat()")
    assert generate(page, PROMPT, maxTokens=2)["cached_tokens"] == 0


def test_a_stop_token_ends_the_text_and_is_not_part_of_it(page: Page) -> None:
    import tiny

    expected = tiny.generate(PROMPT, 12)
    result = generate(page, PROMPT, stopTokenIds=[expected[7]])
    assert result["token_ids"] == expected[: expected.index(expected[7])]
    assert result["finish_reason"] == "stop"


def test_the_text_ends_where_the_context_is_full(page: Page) -> None:
    import tiny

    prompt = [(3 * i) % tiny.V for i in range(tiny.CONTEXT - 4)]
    result = generate(page, prompt)
    assert result["token_ids"] == tiny.generate(prompt, 5)  # the last one takes no place
    assert result["finish_reason"] == "length"
    prompt = [1] * tiny.CONTEXT
    assert generate(page, prompt)["token_ids"] == tiny.generate(prompt, 1)


def test_a_prompt_that_does_not_fit_is_refused(page: Page) -> None:
    for tokens, message in (
        ([1] * 301, "prompt: got 301 tokens, expected 1 to 300 (the context). Shorten it, or load"),
        ([], "prompt: got 0 tokens, expected 1 to 300 (the context)."),
        ([1, 700, 2], "prompt: got token 700, expected 0 to 699."),
        ([1, -1, 2], "prompt: got token -1, expected 0 to 699."),
    ):
        with pytest.raises(Exception, match=re.escape(f"ConfigError: {message}")):
            generate(page, tokens)


def test_a_site_built_before_next_logits_says_what_to_do(page: Page) -> None:
    import tiny

    message = "UnsupportedError: program.json: there is no buffer 'next_logits', so tokens can be"
    with pytest.raises(Exception, match=message):
        generate(page, PROMPT, temperature=1, top_k=5)
    assert generate(page, PROMPT, maxTokens=3)["token_ids"] == tiny.generate(PROMPT, 3)


def test_logits_of_every_position(page: Page) -> None:
    import tiny

    tokens = [(13 * i + 1) % tiny.V for i in range(tiny.PREFILL_CHUNK + 7)]
    script = "async (tokens) => Array.from(await engine.logits(tokens))"
    got = np.array(page.evaluate(script, tokens)).reshape(len(tokens), tiny.V)
    # The sums are exact in f32; cos and sin are rounded to f32 once.
    np.testing.assert_allclose(got, tiny.logits(tokens), atol=2e-3)


def test_interrupt_ends_a_text_early_and_the_next_one_is_right(page: Page) -> None:
    import tiny

    page.evaluate("engine.resetChat()")
    result = page.evaluate(
        """async (tokens) => {
          const text = engine.generateTokens(tokens);
          engine.interrupt();
          return text;
        }""",
        PROMPT,
    )
    assert result["finish_reason"] == "abort"
    count = len(result["token_ids"])
    assert count < tiny.CONTEXT - len(PROMPT)
    assert result["token_ids"] == tiny.generate(PROMPT, count)
    assert generate(page, PROMPT, maxTokens=3)["token_ids"] == tiny.generate(PROMPT, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variant": "int3"}, "variant 'int3': expected auto or one of subgroups, f32."),
        (
            {"contextWindowSize": 301},
            "context: got 301 tokens, expected 1 to 300 (the model's maximum).",
        ),
        (
            {"contextWindowSize": 2.5},
            "context: got 2.5 tokens, expected 1 to 300 (the model's maximum).",
        ),
    ],
)
def test_load_options_are_checked(page: Page, options: dict[str, Any], message: str) -> None:
    script = """async (options) => {
      const { Engine, ConfigError } = await import("/webgemma/index.js");
      const error = await Engine.load("/models/tiny/", options).catch((error) => error);
      return [error instanceof ConfigError, error.message];
    }"""
    assert page.evaluate(script, options) == [True, message]


def test_variant_and_context_can_be_chosen_and_unloaded(page: Page) -> None:
    import tiny

    script = """async (tokens) => {
      const { Engine } = await import("/webgemma/index.js");
      const options = { variant: "f32", contextWindowSize: 20 };
      const other = await Engine.load("/models/tiny/", options);
      const { token_ids } = await other.generateTokens(tokens);
      const waiting = other.generateTokens(tokens).catch((error) => error.message);
      await other.unload();
      const after = await other.generateTokens(tokens).catch((error) => error.message);
      return [other.info.variant, token_ids, await waiting, after];
    }"""
    variant, token_ids, waiting, after = page.evaluate(script, PROMPT)
    assert variant == "f32"
    assert token_ids == tiny.generate(PROMPT, 20 - len(PROMPT) + 1)
    assert isinstance(waiting, dict) or "unloaded" in waiting
    assert after == "the engine was unloaded. Load a model again."
    assert generate(page, PROMPT, maxTokens=2)["token_ids"] == tiny.generate(PROMPT, 2)


def test_a_lost_device_becomes_a_named_error(tiny_site: Path, open_page: Any) -> None:
    # The runner is used without its worker, to reach the device that is to be lost.
    script = """async (tokens) => {
      const { loadModel } = await import("/webgemma/load.js");
      const { session, runner } = await loadModel(new URL("/models/tiny/", location).href);
      runner.device.destroy();
      await runner.lost.catch(() => {});
      try {
        for await (const token of session.generate(tokens)) throw token;
      } catch (error) {
        return [error.name, error.message];
      }
    }"""
    with serving(tiny_site) as server:
        name, message = open_page(server).engine().evaluate(script, PROMPT)
    assert name == "DeviceLostError"
    assert message.startswith("the GPU was lost (")
