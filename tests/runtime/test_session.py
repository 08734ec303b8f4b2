"""Sessions: prompts, stopping, reuse of the caches, refusals."""

from __future__ import annotations

import pytest

from webgemma.errors import ConfigError, FormatError
from webgemma.runtime.generation import StopText
from webgemma.runtime.session import open_session

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def session(sites):
    """A session on the Q4_K fixture, f32."""
    with open_session(sites["gemma2-Q4_K"], variant="f32") as session:
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
        generation = session.generate("hello", max_tokens=100)
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
        "variant 'fast': expected auto or one of software, f16+subgroups, f16, subgroups, f32."
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
