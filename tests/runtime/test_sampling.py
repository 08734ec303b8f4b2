"""The sampler against float64 written out plainly, and tests/cases/sampling.json for its twin."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from webgemma import reference
from webgemma.runtime.sampling import Sampler, Sampling, draw, gumbel, keep, logprobs, mix

CASES = json.loads((Path(__file__).parents[1] / "cases" / "sampling.json").read_text("utf-8"))
V = 300
DRAWS = 4000


def make_logits(seed: int, size: int = V) -> np.ndarray:
    """As models give them: a few tokens stand out."""
    rng = np.random.default_rng(seed)
    return (3 * rng.standard_normal(size)).astype(np.float32)


def softmax(values):
    exps = [math.exp(v - max(values)) for v in values]
    return [e / math.fsum(exps) for e in exps]


def distribution(logits, *, temperature, top_k, top_p, min_p):
    """Probabilities by the definitions, one filter after the other, each renormalized."""
    p = dict(enumerate(softmax([float(x) / temperature for x in logits])))
    order = sorted(p, key=lambda token: (-p[token], token))
    if top_k:
        order = order[:top_k]
    if top_p < 1:
        total = math.fsum(p[token] for token in order)
        kept, mass = [], 0.0
        for token in order:
            kept.append(token)
            mass += p[token] / total
            if mass >= top_p:
                break
        order = kept
    order = [token for token in order if p[token] >= min_p * p[order[0]]]
    total = math.fsum(p[token] for token in order)
    return {token: p[token] / total for token in order}


FILTERS = [
    {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0},
    {"temperature": 0.7, "top_k": 12, "top_p": 1.0, "min_p": 0.0},
    {"temperature": 1.3, "top_k": 0, "top_p": 0.8, "min_p": 0.0},
    {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.05},
    {"temperature": 0.8, "top_k": 40, "top_p": 0.95, "min_p": 0.02},
    {"temperature": 2.0, "top_k": 5, "top_p": 0.9, "min_p": 0.3},
]


@pytest.mark.parametrize("filters", FILTERS, ids=str)
def test_draws_follow_the_distribution(filters):
    """Chi-squared over the kept tokens, within its 99.9 % bound; nothing else is ever drawn."""
    logits = make_logits(1)
    p = distribution(logits, **filters)
    scores = logits.astype(np.float64) / filters["temperature"]
    counts = np.zeros(V)
    for step in range(DRAWS):
        sampling = Sampling(**filters, seed=11)
        counts[draw(scores, keep(scores, sampling), sampling, step)] += 1
    assert set(np.flatnonzero(counts)) <= set(p)
    expected = np.array([DRAWS * p.get(token, 0.0) for token in range(V)])
    common = expected >= 5
    rest = ~common & (expected > 0)
    statistic = (((counts - expected) ** 2)[common] / expected[common]).sum()
    cells = int(common.sum())
    if expected[rest].sum() >= 5:
        statistic += (counts[rest].sum() - expected[rest].sum()) ** 2 / expected[rest].sum()
        cells += 1
    df = cells - 1
    bound = df * (1 - 2 / (9 * df) + 3.09 * math.sqrt(2 / (9 * df))) ** 3  # Wilson-Hilferty
    print(f"{filters}: chi-squared {statistic:.1f}, {df} degrees of freedom, bound {bound:.1f}")
    assert statistic < bound


@pytest.mark.parametrize("filters", FILTERS, ids=str)
@pytest.mark.parametrize("size", [1, 2, 50, 2000])
def test_kept_tokens_are_those_of_the_definition(filters, size):
    for seed in range(5):
        logits = make_logits(seed, size)
        scores = logits.astype(np.float64) / filters["temperature"]
        tokens = keep(scores, Sampling(**filters))
        expected = set(distribution(logits, **filters))
        assert set(range(size) if tokens is None else tokens.tolist()) == expected


def test_top_k_takes_the_lower_of_equal_tokens():
    logits = np.array([1, 3, 3, 2, 3], np.float64)
    assert keep(logits, Sampling(temperature=1, top_k=2)).tolist() == [1, 2]


def test_noise_is_that_of_the_shader():
    expected = reference.gumbel(99, 7, 1000)
    np.testing.assert_array_equal(gumbel(99, 7, np.arange(1000)), expected)


def test_without_filters_the_host_draws_as_the_program_does():
    logits = make_logits(5)
    for step in range(50):
        scores = logits.astype(np.float64) / 0.9
        noisy = scores + reference.gumbel(3, step, V)
        assert draw(scores, None, Sampling(temperature=0.9, seed=3), step) == noisy.argmax()


def test_the_hash_has_every_bit_right():
    assert [int(h) for h in mix(np.array([0, 1, 2**32 - 1], np.uint32))] == CASES["mix"]


def test_repetition_penalty_is_that_of_transformers():
    """Positive logits are divided, negative ones multiplied: of the prompt's tokens as well."""
    logits = np.array([2, -2, 4, -4, 1], np.float32)
    sampler = Sampler(Sampling(repetition_penalty=2.0), [0, 1, 0], 5)
    assert sampler.score(logits).tolist() == [1, -4, 4, -4, 1]
    assert sampler.choose(logits).token_id == 2
    assert sampler.score(logits).tolist() == [1, -4, 2, -4, 1]


def test_presence_and_frequency_penalties_are_those_of_openai():
    """Logit - count * frequency - (count > 0) * presence, of generated tokens alone."""
    logits = np.array([5, 4.9, 0], np.float32)
    sampler = Sampler(Sampling(frequency_penalty=0.25, presence_penalty=0.5), [1, 1, 1], 3)
    chosen = [sampler.choose(logits).token_id for _ in range(3)]
    assert chosen == [0, 1, 0]
    np.testing.assert_allclose(sampler.score(logits), [5 - 2 * 0.25 - 0.5, 4.15, 0], atol=1e-6)


def test_a_bias_of_100_forces_and_of_minus_100_bans():
    logits = make_logits(2)
    best = int(logits.argmax())
    assert Sampler(Sampling(logit_bias={17: 100}), [], V).choose(logits).token_id == 17
    banned = Sampler(Sampling(logit_bias={best: -100}), [], V).choose(logits).token_id
    assert banned == int(np.argsort(-logits)[1])
    forced = Sampling(temperature=2, seed=1, logit_bias={17: 100})
    sampler = Sampler(forced, [], V)
    assert {sampler.choose(logits).token_id for _ in range(100)} == {17}


def test_penalties_come_before_the_temperature():
    logits = np.array([4, 2], np.float32)
    sampler = Sampler(Sampling(temperature=0.5, repetition_penalty=2.0), [0], 2)
    assert sampler.score(logits).tolist() == [4, 4]


def test_logprobs_are_log_softmax_of_the_logits():
    logits = make_logits(4)
    expected = np.log(softmax([float(x) for x in logits]))
    order = np.argsort(-expected, kind="stable")
    got, top = logprobs(logits, 7, 20)
    assert got == pytest.approx(expected[7], abs=1e-12)
    assert [token for token, _ in top] == order[:20].tolist()
    np.testing.assert_allclose([value for _, value in top], expected[order[:20]], atol=1e-12)
    assert logprobs(logits, 7, 0)[1] == ()


def test_logprobs_do_not_see_what_sampling_does_to_the_logits():
    logits = make_logits(4)
    plain = Sampler(Sampling(top_logprobs=3), [], V).choose(logits)
    bent = Sampling(temperature=2, top_k=1, logit_bias={plain.token_id: 1.0}, top_logprobs=3)
    assert Sampler(bent, [], V).choose(logits) == plain


@pytest.mark.parametrize("case", CASES["chosen"], ids=lambda case: str(case["sampling"]))
def test_cases_shared_with_the_twin(case):
    logits = np.array(case["logits"], np.float32)
    sampling = {**case["sampling"]}
    bias = {int(token): value for token, value in sampling.pop("logit_bias", {}).items()}
    sampler = Sampler(Sampling(**sampling, logit_bias=bias), case["prompt"], len(logits))
    choices = [sampler.choose(logits) for _ in case["tokens"]]
    assert [choice.token_id for choice in choices] == case["tokens"]
    if "logprobs" in case:
        np.testing.assert_allclose([c.logprob for c in choices], case["logprobs"], atol=1e-9)


class Refusing:
    """A constraint that allows `possible`, takes nothing but `wanted`, and 0 of itself."""

    def __init__(self, possible: set[int], wanted: set[int]) -> None:
        self.possible, self.wanted = possible, wanted

    def mask(self) -> np.ndarray:
        bits = np.array([token in self.possible for token in range(V)])
        return np.packbits(np.resize(bits, (V + 31) // 32 * 32), bitorder="little").view(np.uint32)

    def take(self, token: int) -> int | None:
        return token if token in self.wanted else None

    def take_shortest(self) -> int:
        return 0


@pytest.mark.parametrize("options", [{}, {"temperature": 1.0}, {"temperature": 1.0, "top_k": 3}])
def test_a_token_that_is_refused_is_not_drawn_again(options):
    logits = make_logits(5)
    order = [int(token) for token in np.argsort(-logits)]
    best = set(order[:5])
    for possible, wanted, expected in (
        (best, best, best),
        (best, set(order[4:]), {order[4]}),
        (best, set(), {0}),
        (set(order[:100]), set(), {0}),
    ):
        sampler = Sampler(Sampling(**options), [1], V, Refusing(possible, wanted))
        assert sampler.choose(logits).token_id in expected
