"""Drafted tokens natively: the same text in fewer steps, whatever the drafts are worth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.support.pebble import graded_prompts
from webgemma.build import build_site
from webgemma.resources import built_in_model
from webgemma.runtime.draft import Drafter, make_drafter
from webgemma.runtime.options import check_options
from webgemma.runtime.session import Session, open_session
from webgemma.runtime.steps import Chunk, make_steps

pytestmark = pytest.mark.gpu

STORY = "Tell me a story about a fox and a lantern"


class Eager(Drafter):
    """Drafts whenever there is something to go by, whatever it costs."""

    cost = 0.0


class Wrong(Eager):
    """Drafts that the model will hardly agree with."""

    def draft(self, room: int) -> list[int]:
        """Tokens from the end of a vocabulary, as many as may be drafted."""
        return [1000 + i for i in range(min(self.most, room - 1))]


class Recording(Eager):
    """Knows how many steps there were."""

    steps = 0

    def decoded(self, count: int, duration: float) -> None:
        """Count plain steps."""
        self.steps += count
        super().decoded(count, duration)

    def verified(self, drafted: int, accepted: int, duration: float) -> None:
        """Count a draft's step."""
        self.steps += 1
        super().verified(drafted, accepted, duration)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A session on the built-in model, f32."""
    site = tmp_path_factory.mktemp("pebble") / "site"
    build_site(built_in_model(), site, name="Pebble", model_id="pebble")
    with open_session(site, variant="f32") as session:
        yield session


def generate(
    session: Session,
    prompt: list[int],
    count: int,
    sampling: dict[str, float],
    drafter: Drafter | None,
) -> list[int]:
    """Tokens behind a prompt; what the caches hold of it is not run again."""
    keep = session.reusable(prompt, None)
    chunk = Chunk(0, 0)
    for position, num_tokens in session.prefill(prompt, keep=keep):
        chunk = Chunk(position, num_tokens)
    checked = check_options(sampling, {}).sampling
    steps = make_steps(session.runner, chunk, session.cached, checked, count, None, drafter)
    return [choice.token_id for choices in steps for choice in choices]


@pytest.fixture(scope="module")
def twice_told(session: Session) -> list[dict[str, str]]:
    """A conversation that asks again for what was said before."""
    said = session.generate(STORY, max_tokens=120, temperature=0, draft=False)
    ask = {"role": "user", "content": STORY}
    return [ask, {"role": "assistant", "content": "".join(said)}, ask]


@pytest.fixture(scope="module")
def prompt(session: Session, twice_told: list[dict[str, str]]) -> list[int]:
    """Its tokens."""
    return session.encode_prompt(twice_told)


@pytest.mark.parametrize(
    ("kind", "sampling"),
    [
        (Eager, {"temperature": 0}),
        (Eager, {"temperature": 0.8, "seed": 4}),
        (Wrong, {"temperature": 1.5, "seed": 9}),
    ],
)
def test_the_text_is_the_same(session, kind, sampling):
    """Also the noise is that of each token's number, after drafts that were rejected too."""
    drafted = accepted = 0
    for row in graded_prompts()[::75]:
        ids = session.encode_prompt(row["prompt"])
        drafter = kind(ids)
        session.cached = []
        plain = generate(session, ids, 48, sampling, None)
        session.cached = []
        assert generate(session, ids, 48, sampling, drafter) == plain, row["prompt"]
        drafted += drafter.drafted_tokens
        accepted += drafter.accepted_tokens
    print(f"{kind.__name__}, {sampling}: {accepted} of {drafted} accepted")
    assert drafted > 0
    assert accepted < drafted / 2 if kind is Wrong else accepted > 0


@pytest.mark.parametrize("sampling", [{"temperature": 0}, {"temperature": 0.3, "seed": 2}])
def test_text_that_repeats_takes_few_steps(session, prompt, sampling):
    session.cached = []
    plain = generate(session, prompt, 100, sampling, None)
    session.cached = []
    drafter = Recording(prompt)
    assert generate(session, prompt, 100, sampling, drafter) == plain
    print(f"{drafter.steps} steps, {drafter.accepted_tokens} of {drafter.drafted_tokens} accepted")
    assert drafter.steps < 50
    assert drafter.steps + drafter.accepted_tokens == 99


def test_the_caches_are_right_after_rejected_drafts(session):
    """What follows reuses them, rows behind the rejected ones included."""
    first = session.encode_prompt(STORY)
    session.cached = []
    said = generate(session, first, 40, {"temperature": 0}, Wrong(first))
    assert session.cached == [*first, *said[:-1]]
    longer = [*first, *said, *session.encode_prompt("What is 38 + 47?")[1:]]
    assert session.reusable(longer, None) == len(session.cached)
    reused = generate(session, longer, 30, {"temperature": 0}, Eager(longer))
    session.cached = []
    assert generate(session, longer, 30, {"temperature": 0}, None) == reused


@pytest.mark.parametrize("count", [1, 2, 9, 31])
def test_a_limit_is_kept(session, prompt, count):
    assert len(generate(session, prompt, count, {"temperature": 0}, Eager(prompt))) == count
    assert len(session.cached) == len(prompt) + count - 1


def test_the_context_is_filled_to_its_end(session, prompt):
    context = len(prompt) + 29
    with open_session(session.model.folder, variant="f32", context_window_size=context) as small:
        expected = generate(small, prompt, 30, {"temperature": 0}, None)
        drafter = Eager(prompt)
        small.cached = []
        assert generate(small, prompt, 30, {"temperature": 0}, drafter) == expected
        assert len(small.cached) == context
        assert drafter.accepted_tokens > 0


def test_a_reply_says_what_was_drafted_and_stops_as_it_does_without(session, twice_told):
    plain = session.chat(twice_told, temperature=0, draft=False)
    drafted = session.chat(twice_told, temperature=0)
    assert drafted["choices"] == plain["choices"]
    extra = drafted["usage"]["extra"]
    assert 0 < extra["accepted_tokens"] <= extra["drafted_tokens"]
    assert plain["usage"]["extra"]["drafted_tokens"] == 0
    whole = plain["choices"][0]["message"]["content"]
    stop = whole[160:172]
    cut = session.chat(twice_told, temperature=0, stop=[stop])["choices"][0]["message"]["content"]
    assert cut == whole[: whole.index(stop)]


def test_where_the_host_chooses_nothing_is_drafted(session, prompt):
    drafter = Eager(prompt)
    generate(session, prompt, 20, {"temperature": 0, "logprobs": True}, drafter)
    assert drafter.drafted_tokens == 0


def test_a_program_without_verify_drafts_nothing(session):
    phases = {name: steps for name, steps in session.program.phases.items() if name != "verify"}
    assert make_drafter(session.program, [1]) is not None
    assert make_drafter(replace(session.program, phases=phases), [1]) is None
