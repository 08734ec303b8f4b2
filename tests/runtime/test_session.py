"""Sessions: prompts, stopping, reuse of the caches, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from webgemma.build import build_site
from webgemma.errors import ConfigError, FormatError
from webgemma.resources import built_in_model
from webgemma.runtime.generation import StopText
from webgemma.runtime.session import open_session

pytestmark = pytest.mark.gpu
SLIDING_WINDOW = 64  # of every other layer of gemma2-Q4_K


@pytest.fixture(scope="module")
def session(sites):
    """A session on the Q4_K fixture, f32."""
    with open_session(sites["gemma2-Q4_K"], variant="f32") as session:
        yield session


@pytest.fixture(scope="module")
def pebble_session(tmp_path_factory):
    """A session on the built-in model, f32: it chats in Gemma's turns."""
    site = tmp_path_factory.mktemp("pebble") / "site"
    build_site(built_in_model(), site, name="Pebble", model_id="pebble")
    with open_session(site, variant="f32") as session:
        yield session


def test_greedy_repeats(session):
    first = session.generate("hello", max_tokens=12, temperature=0)
    text = "".join(first)
    assert text == first.text
    assert first.finish_reason == "length"
    assert len(first.tokens) == 12
    assert "".join(session.generate("hello", max_tokens=12, temperature=0)) == text


def test_seeded_sampling_repeats_and_varies(session):
    def sample(seed):
        generation = session.generate("hello", max_tokens=12, temperature=1.0, seed=seed)
        list(generation)
        return generation.tokens

    assert sample(1) == sample(1)
    assert sample(1) != sample(2)


def tokens_of(session, prompt="hello", **options):
    generation = session.generate(prompt, **{"max_tokens": 12, **options})
    list(generation)
    return generation.tokens


def test_the_host_chooses_as_the_program_does(session):
    """Logprobs take the other way through the sampler; the draws stay the same."""
    for temperature in (0, 1, 1.7):
        options = {"temperature": temperature, "seed": 3}
        plain = tokens_of(session, **options)
        assert tokens_of(session, **options, logprobs=True) == plain
        assert tokens_of(session, **options, top_k=10**6, min_p=1e-12) == plain


def test_logprobs_are_log_softmax_of_the_logits(session):
    generation = session.generate(
        "hello", max_tokens=6, temperature=1, seed=5, top_k=50, logprobs=True, top_logprobs=3
    )
    list(generation)
    prompt = session.encode_prompt("hello")
    rows = session.logits([*prompt, *generation.tokens])[len(prompt) - 1 : -1].astype(np.float64)
    best = rows.max(axis=1, keepdims=True)
    expected = rows - best - np.log(np.exp(rows - best).sum(axis=1, keepdims=True))
    for row, token, choice in zip(expected, generation.tokens, generation.choices, strict=True):
        # `logits` runs the tiled kernels and `decode` the others: their sums differ in order.
        assert choice.logprob == pytest.approx(row[token], abs=1e-4)
        np.testing.assert_allclose(
            [value for _, value in choice.top_logprobs], np.sort(row)[::-1][:3], atol=1e-4
        )


def test_penalties_and_bias(session):
    plain = tokens_of(session, temperature=0, max_tokens=24)
    assert len(set(plain)) < 24  # greedy text of this model repeats itself
    assert len(set(tokens_of(session, temperature=0, max_tokens=24, frequency_penalty=2))) == 24
    assert tokens_of(session, temperature=0, logit_bias={77: 100}) == [77] * 12
    banned = tokens_of(session, temperature=0, max_tokens=1, logit_bias={plain[0]: -100})
    assert banned != plain[:1]
    assert message(ConfigError, lambda: tokens_of(session, logit_bias={5000: 1})) == (
        "logit_bias: got token 5000, expected 0 to 1023."
    )


def test_a_rewound_conversation_is_as_a_fresh_one(session, sites):
    """Further back than the sliding window: no cache of any layer may have lost what it needs."""
    long = "the quick brown fox jumps over the lazy dog and then some more " * 6
    edited = long[: len(long) // 2] + "but stops"
    with open_session(sites["gemma2-Q4_K"], variant="f32") as fresh:
        expected = tokens_of(fresh, edited, temperature=0)
    tokens_of(session, long, temperature=0, max_tokens=2 * SLIDING_WINDOW)
    rewound = session.generate(edited, temperature=0, max_tokens=12)
    list(rewound)
    assert rewound.tokens == expected
    assert SLIDING_WINDOW < rewound.cached_tokens < rewound.prompt_tokens - 1


def test_a_completion_of_a_chat(pebble_session):
    messages = [{"role": "user", "content": "What is 38 + 47?"}]
    answer = pebble_session.chat(messages, n=2, max_tokens=60, logprobs=True, seed=1)
    assert (answer["object"], answer["model"]) == ("chat.completion", "pebble")
    first, second = answer["choices"]
    assert first["message"]["content"] == second["message"]["content"]  # it is greedy by default
    assert "85" in first["message"]["content"]
    assert first["finish_reason"] == "stop"
    assert "".join(e["token"] for e in first["logprobs"]["content"]) == first["message"]["content"]
    usage = answer["usage"]
    assert usage["completion_tokens"] == 2 * len(first["logprobs"]["content"])
    assert usage["extra"]["decode_tokens_per_s"] > 0
    assert message(ConfigError, lambda: pebble_session.chat(messages, n=0)) == (
        "request: 'n': got 0, expected an integer from 1 to 128."
    )


def test_drawn_choices_have_seeds_in_a_row(pebble_session):
    messages = [{"role": "user", "content": "Tell me a story"}]
    options = {"max_tokens": 8, "temperature": 1.5}

    def texts(seed, n):
        answer = pebble_session.chat(messages, n=n, seed=seed, **options)
        return [choice["message"]["content"] for choice in answer["choices"]]

    assert texts(4, 3) == [*texts(4, 1), *texts(5, 1), *texts(6, 1)]


def test_the_oldest_turns_are_dropped_if_that_is_asked_for(pebble_session):
    turns = [
        {"role": role, "content": f"{role} says {i}"}
        for i in range(200)
        for role in ("user", "assistant")
    ]
    messages = [{"role": "system", "content": "Be brief."}, *turns]
    messages.append({"role": "user", "content": "What is 38 + 47?"})
    assert message(ConfigError, lambda: pebble_session.chat(messages)).startswith("prompt: got ")
    answer = pebble_session.chat(messages, context_full="drop_oldest", max_tokens=2)
    context = pebble_session.context_window_size
    assert context / 2 < answer["usage"]["prompt_tokens"] <= context - 2


def test_a_function_that_must_be_called_begins_the_reply(pebble_session):
    messages = [{"role": "user", "content": "What is 38 + 47?"}]
    tools = [{"type": "function", "function": {"name": "add"}}]
    choice = {"type": "function", "function": {"name": "add"}}
    answer = pebble_session.chat(messages, tools=tools, tool_choice=choice, max_tokens=4)
    text = answer["choices"][0]["message"]["content"]
    assert text.startswith('{"name": "add", "parameters": ')  # and Pebble cannot go on from there
    assert answer["choices"][0]["finish_reason"] in ("stop", "length")


def test_cache_reuse_gives_the_same_tokens(session, sites):
    long = "the quick brown fox jumps over the lazy dog and then some more"
    list(session.generate(long, max_tokens=5, temperature=0))
    again = session.generate(long + " again", max_tokens=8, temperature=0)
    list(again)
    with open_session(sites["gemma2-Q4_K"], variant="f32") as fresh:
        other = fresh.generate(long + " again", max_tokens=8, temperature=0)
        list(other)
    assert again.tokens == other.tokens


def test_stop_text(session):
    whole = session.generate("hello", max_tokens=12, temperature=0)
    list(whole)
    stop = whole.text[5:8]
    cut = session.generate("hello", max_tokens=12, temperature=0, stop=[stop])
    assert "".join(cut) == whole.text[: whole.text.index(stop)]
    assert cut.finish_reason == "stop"


@pytest.mark.parametrize("pieces", [["abXYc"], ["ab", "X", "Yc"], list("abXYc")])
def test_stop_text_is_found_across_pieces(pieces):
    stop = StopText(["XY"])
    shown = "".join(stop.push(piece) for piece in pieces)
    assert (shown, stop.found) == ("ab", True)


def test_context_end(sites):
    with open_session(sites["gemma2-Q4_K"], variant="f32", context_window_size=40) as session:
        generation = session.generate("hello", max_tokens=100, temperature=0)
        list(generation)
        assert generation.finish_reason == "length"
        assert generation.prompt_tokens + len(generation.tokens) == 41
        assert len(session.cached) == 40


def message(kind, call):
    """The whole message of an expected error."""
    with pytest.raises(kind) as error:
        call()
    return str(error.value)


def test_prompt_too_long(sites):
    with open_session(sites["gemma2-Q4_K"], variant="f32", context_window_size=4) as session:
        assert message(ConfigError, lambda: session.logits([1, 2, 3, 4, 5])) == (
            "prompt: got 5 tokens, expected 1 to 4 (the context). Shorten it, or open the session "
            "with a larger context."
        )


def test_bad_arguments(session, sites):
    assert message(ConfigError, lambda: session.generate("a", max_tokens=0)) == (
        "request: 'max_tokens': got 0, expected an integer from 1 to 2147483647."
    )
    assert message(ConfigError, lambda: session.generate("a", temperature=-1)) == (
        "request: 'temperature': got -1, expected a number from 0 to 2."
    )
    assert message(ConfigError, lambda: session.logits([])) == (
        "prompt: got 0 tokens, expected 1 to 512 (the context). Shorten it, or open the session "
        "with a larger context."
    )
    assert message(ConfigError, lambda: session.logits([1, 4096])) == (
        "prompt: got token 4096, expected 0 to 1023."
    )
    assert message(
        ConfigError, lambda: open_session(sites["gemma2-Q4_K"], context_window_size=9999)
    ) == ("context: got 9999 tokens, expected 1 to 512 (the model's maximum).")
    assert message(ConfigError, lambda: open_session(sites["gemma2-Q4_K"], variant="fast")) == (
        "variant 'fast': expected auto or one of lavapipe, software, f16+subgroups, f16, "
        "subgroups, f32."
    )


def test_corrupt_shard_is_named(sites, tmp_path):
    import shutil

    site = tmp_path / "site"
    shutil.copytree(sites["gemma2-Q4_K"], site)
    shard = next(site.rglob("params_shard_0.bin"))
    data = bytearray(shard.read_bytes())
    data[1000] ^= 1
    shard.write_bytes(data)
    text = message(FormatError, lambda: open_session(site, variant="f32"))
    assert text.startswith(f"{shard}: got SHA-256 ")
    assert text.endswith("by webgemma.json. Build or copy the site again.")
