"""The steps behind a prefilled prompt: each yields a token. web/runtime/steps.js is the twin.

Where temperature and seed alone decide, the program chooses and several steps are under way before
the first is read back; or it says of a draft's tokens, several in one step, which it would have
chosen (draft.py). For every other option, and for an answer that is held to a grammar, the host
reads the logits and chooses.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from webgemma.runtime.draft import Drafter
from webgemma.runtime.runner import Runner
from webgemma.runtime.sampling import Choice, Sampler, Sampling
from webgemma.structured import Constraint

STEPS_PER_READ = 8  # decode steps submitted before the tokens are read back, at most
SECONDS_PER_READ = 0.1  # text should appear at least this often


@dataclass(frozen=True, slots=True)
class Chunk:
    """The last chunk of a prefilled prompt: its first position and how many tokens it has."""

    position: int
    num_tokens: int

    @property
    def end(self) -> int:
        """The position of the first token that is generated."""
        return self.position + self.num_tokens


def make_steps(
    runner: Runner,
    chunk: Chunk,
    cached: list[int],
    sampling: Sampling,
    limit: int,
    constraint: Constraint | None = None,
    drafter: Drafter | None = None,
) -> Iterator[list[Choice]]:
    """Generate at most `limit` tokens; yields those of every read-back.

    Args:
        runner: It has just run the prompt's last chunk.
        chunk: That chunk.
        cached: The tokens in the caches, the prompt's by now; grows with the steps.
        sampling: How to choose.
        limit: 1 or more.
        constraint: Says which tokens may come; all by default.
        drafter: Drafts tokens where the program chooses; nobody by default.
    """
    sample = {"position": chunk.position, "num_tokens": chunk.num_tokens}
    if constraint is None and not sampling.reads_logits:
        words = {"temperature": sampling.temperature, "seed": sampling.seed}
        runner.write_state({**words, "num_generated": 0})
        runner.run("sample", sample)
        return choose_in_program(runner, chunk.end, cached, limit, drafter)
    sampler = Sampler(sampling, cached, runner.program.vocab_size, constraint)
    runner.write_state({"temperature": 0.0, "num_generated": 0})
    runner.run("sample", sample)
    return choose_on_host(runner, chunk.end, cached, limit, sampler)


def choose_in_program(
    runner: Runner, position: int, cached: list[int], limit: int, drafter: Drafter | None
) -> Iterator[list[Choice]]:
    """Read the tokens that the program chooses, after `sample` was submitted."""
    produced = _read_tokens(runner, 0, 1)
    yield [Choice(token) for token in produced]
    done, steps = 1, 1
    while done < limit:
        started = time.perf_counter()
        draft = _draft(drafter, produced, limit - done)
        cached += produced[-1:]  # a token enters the caches with the step after it
        if draft:
            produced = _verify(runner, [*produced[-1:], *draft], position, done)
        else:
            produced = _decode(runner, position, done, min(steps, limit - done))
        cached += produced[:-1]
        position += len(produced)
        done += len(produced)
        duration = time.perf_counter() - started
        if draft and drafter:
            drafter.verified(len(draft), len(produced) - 1, duration)
        else:
            if drafter:
                drafter.decoded(len(produced), duration)
            per_step = duration / len(produced)
            steps = max(1, min(STEPS_PER_READ, int(SECONDS_PER_READ / max(per_step, 1e-6))))
        yield [Choice(token) for token in produced]


def _draft(drafter: Drafter | None, produced: Sequence[int], room: int) -> list[int]:
    """What may come behind the tokens that were just produced."""
    if drafter is None:
        return []
    for token in produced:
        drafter.push(token)
    return drafter.draft(room)


def _decode(runner: Runner, position: int, done: int, steps: int) -> list[int]:
    """The tokens of some plain steps."""
    for step in range(steps):
        runner.run("decode", {"position": position + step, "num_tokens": 1})
    return _read_tokens(runner, done, steps)


def _verify(runner: Runner, tokens: Sequence[int], position: int, done: int) -> list[int]:
    """The tokens of one step with a row for the last token and each of its draft.

    Row i says what comes behind tokens[i]; that counts as far as the draft said the same. What
    the caches got of the rest is overwritten by the steps that follow.
    """
    rows = {"position": position, "num_tokens": len(tokens)}
    runner.write_tokens(tokens)
    runner.write_state(rows)
    runner.run("prefill", rows)
    runner.run("verify", rows)
    chosen = _read_tokens(runner, done, len(tokens))
    produced = chosen[: common_prefix(tokens[1:], chosen) + 1]
    count = len(produced)
    runner.write_state({"token_id": produced[-1], "position": position + count, "num_tokens": 1})
    runner.write_state({"num_generated": done + count})
    return produced


def choose_on_host(
    runner: Runner, position: int, cached: list[int], limit: int, sampler: Sampler
) -> Iterator[list[Choice]]:
    """Choose by the logits of every step, after `sample` was submitted."""
    choice = sampler.choose(runner.read_next_logits())
    yield [choice]
    for step in range(1, limit):
        runner.write_state({"token_id": choice.token_id})
        runner.run("decode", {"position": position + step - 1, "num_tokens": 1})
        cached.append(choice.token_id)
        choice = sampler.choose(runner.read_next_logits())
        yield [choice]


def _read_tokens(runner: Runner, first: int, count: int) -> list[int]:
    """Generated tokens first..first + count - 1; waits for the GPU."""
    ring = runner.read_generated()
    return [int(ring[i % len(ring)]) for i in range(first, first + count)]


def common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """How many leading tokens two sequences share."""
    count = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        count += 1
    return count
