"""Chooses the next token from a row of logits, on the host. web/runtime/sampling.js is its twin.

In this order: the mask of a constraint, penalties, logit_bias, temperature, top_k, top_p, min_p,
and the Gumbel-max draw of docs/program.md, all in float64. docs/javascript.md says whose
definitions these are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from webgemma.errors import ConfigError
from webgemma.structured import Constraint, Mask

Scores = NDArray[np.float64]
"""A score of every token: logits, adjusted and divided by the temperature."""
Tokens = NDArray[np.int64]

BINS = 256
BINS_PER_NAT = 4
"""The highest scores are found in bins of a quarter of a nat below the best: sorting all of 256,000
takes longer than a step of the model."""
MAX_REFUSALS = 8
"""Of tokens by a constraint, before it takes one of its own."""
MAX_NOISE = 16.64  # of the largest of 2**23 uniform numbers, rounded up


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are chosen; the defaults choose the likeliest."""

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    """0: all tokens."""
    min_p: float = 0.0
    seed: int = 0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    top_logprobs: int | None = None
    """How many alternatives to report with each token's logprob; None: no logprobs at all."""

    @property
    def reads_logits(self) -> bool:
        """Whether the program's own choice, by temperature alone, is not enough."""
        filters = self.top_p < 1 or self.top_k > 0 or self.min_p > 0
        penalties = self.presence_penalty or self.frequency_penalty or self.repetition_penalty != 1
        return bool(
            (filters and self.temperature > 0)
            or penalties
            or self.logit_bias
            or self.top_logprobs is not None
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """A chosen token; with logprobs, its own and those of the likeliest (token, logprob)."""

    token_id: int
    logprob: float | None = None
    top_logprobs: tuple[tuple[int, float], ...] = ()


class Sampler:
    """Chooses token after token of one text."""

    def __init__(
        self,
        sampling: Sampling,
        prompt: Sequence[int],
        vocab_size: int,
        constraint: Constraint | None = None,
    ) -> None:
        """Begin behind a prompt.

        Args:
            sampling: How to choose.
            prompt: Its tokens.
            vocab_size: Of the logits.
            constraint: Says which tokens may come; all by default.

        Raises:
            ConfigError: logit_bias names a token that is not in the vocabulary.
        """
        wrong = next((token for token in sampling.logit_bias if token >= vocab_size), None)
        if wrong is not None:
            msg = f"logit_bias: got token {wrong}, expected 0 to {vocab_size - 1}."
            raise ConfigError(msg)
        self.sampling = sampling
        self.constraint = constraint
        self.seen = set(prompt)
        self.counts: Counter[int] = Counter()

    def choose(self, logits: NDArray[np.float32]) -> Choice:
        """The next token after a row of logits, float32 [vocab_size]."""
        scores = self.score(logits)
        token = self.draw_allowed(scores)
        self.seen.add(token)
        self.counts[token] += 1
        if self.sampling.top_logprobs is None:
            return Choice(token)
        logprob, top = logprobs(logits, token, self.sampling.top_logprobs)
        return Choice(token, logprob, top)

    def draw_allowed(self, scores: Scores) -> int:
        """Draw a token, and others where the constraint does not take it."""
        token = draw(scores, keep(scores, self.sampling), self.sampling, self.counts.total())
        if self.constraint is None:
            return token
        for _ in range(MAX_REFUSALS):
            taken = self.constraint.take(token)
            if taken is not None:
                return taken
            scores[token] = -np.inf
            if scores.max() == -np.inf:
                break
            token = draw(scores, keep(scores, self.sampling), self.sampling, self.counts.total())
        return self.constraint.take_shortest()

    def score(self, logits: NDArray[np.float32]) -> Scores:
        """Logits with penalties and bias, divided by the temperature unless that is 0.

        That of a token that may not come is -inf.
        """
        s = self.sampling
        scores = logits.astype(np.float64)
        if self.constraint is not None:
            scores[~allowed(self.constraint.mask(), len(scores))] = -np.inf
        if s.repetition_penalty != 1:
            for token in self.seen:
                score = scores[token]
                penalty = s.repetition_penalty
                scores[token] = score / penalty if score > 0 else score * penalty
        for token, count in self.counts.items():
            scores[token] -= count * s.frequency_penalty + s.presence_penalty
        for token, bias in s.logit_bias.items():
            scores[token] += bias
        return scores / s.temperature if s.temperature > 0 else scores


def allowed(mask: Mask, vocab_size: int) -> NDArray[np.bool_]:
    """Whether each token's bit is set, bool [vocab_size]; bits that are not there are not."""
    bits = np.unpackbits(mask.view(np.uint8), count=vocab_size, bitorder="little")
    return bits.astype(bool)


def keep(scores: Scores, sampling: Sampling) -> Tokens | None:
    """The tokens that top_k, top_p and min_p leave; None if they leave all."""
    best = scores.max()
    tokens = None
    if 0 < sampling.top_k < len(scores):
        tokens = largest(scores, best, sampling.top_k)[: sampling.top_k]
    if sampling.top_p < 1:
        tokens = nucleus(scores, best, tokens, sampling.top_p)
    if sampling.min_p > 0:
        floor = best + np.log(sampling.min_p)
        tokens = np.arange(len(scores)) if tokens is None else tokens
        tokens = tokens[scores[tokens] >= floor]
    return tokens


def nucleus(scores: Scores, best: float, tokens: Tokens | None, top_p: float) -> Tokens:
    """The likeliest of `tokens`, of all if None, until their share of the mass is top_p."""
    considered = scores if tokens is None else scores[tokens]
    wanted = top_p * float(np.exp(considered - best).sum())
    if tokens is None:
        tokens = largest(scores, best, wanted, np.exp(scores - best))
    mass = np.cumsum(np.exp(scores[tokens] - best))
    return tokens[: int(np.searchsorted(mass, wanted)) + 1]


def largest(scores: Scores, best: float, wanted: float, weights: Scores | None = None) -> Tokens:
    """At least as many of the highest scores as weigh `wanted` in all, in order.

    Args:
        scores: [vocab_size].
        best: The highest of them.
        wanted: In units of `weights`; without those, how many.
        weights: [vocab_size]

    Returns:
        Tokens, the lower of equal ones first.
    """
    bins = np.minimum((best - scores) * BINS_PER_NAT, BINS).astype(np.int64)
    sums = np.cumsum(np.bincount(bins, weights, BINS + 1)[:BINS])
    bin_ = int(np.searchsorted(sums, wanted)) + 1
    floor = best - bin_ / BINS_PER_NAT if bin_ <= BINS else -np.inf
    tokens = np.flatnonzero(scores >= floor)
    return tokens[np.argsort(-scores[tokens], kind="stable")]


def draw(scores: Scores, tokens: Tokens | None, sampling: Sampling, num_generated: int) -> int:
    """The token whose score plus noise is highest; without a temperature, whose score is."""
    if sampling.temperature == 0:
        return int(scores.argmax())
    top = np.array([scores.argmax()])
    bound = (scores[top] + gumbel(sampling.seed, num_generated, top))[0]
    tokens = np.arange(len(scores)) if tokens is None else np.sort(tokens)
    tokens = tokens[scores[tokens] + MAX_NOISE >= bound]
    noisy = scores[tokens] + gumbel(sampling.seed, num_generated, tokens)
    return int(tokens[noisy.argmax()])


def logprobs(
    logits: NDArray[np.float32], token: int, count: int
) -> tuple[float, tuple[tuple[int, float], ...]]:
    """Log of the model's own probability of a token, and of the `count` likeliest tokens."""
    values = logits.astype(np.float64)
    best = values.max()
    total = best + np.log(np.exp(values - best).sum())
    top = largest(values, best, count)[:count]
    return float(values[token] - total), tuple((int(t), float(values[t] - total)) for t in top)


def mix(values: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """A 32-bit hash, elementwise: as in shaders/gumbel.wgsl.jinja."""
    values = (values ^ (values >> np.uint32(16))) * np.uint32(0x7FEB352D)
    values = (values ^ (values >> np.uint32(15))) * np.uint32(0x846CA68B)
    return values ^ (values >> np.uint32(16))


def gumbel(seed: int, num_generated: int, tokens: Tokens) -> Scores:
    """The noise of tokens: -log(-log(u)), u of a hash in (0, 1)."""
    start = mix(mix(np.array([seed], np.uint32)) + np.uint32(num_generated))
    uniform = ((mix(start + tokens.astype(np.uint32)) >> np.uint32(9)) + 0.5) * 2.0**-23
    noise: Scores = -np.log(-np.log(uniform))
    return noise
