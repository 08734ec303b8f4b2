"""The steps behind a prefilled prompt: each yields a token. web/runtime/steps.js is the twin.

Where temperature and seed alone decide, the program chooses and several steps are under way before
the first is read back; for every other option, and for an answer that is held to a grammar, the
host reads the logits and chooses.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

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
) -> Iterator[list[Choice]]:
    """Generate at most `limit` tokens; yields those of every read-back.

    Args:
        runner: It has just run the prompt's last chunk.
        chunk: That chunk.
        cached: The tokens in the caches, the prompt's by now; grows with the steps.
        sampling: How to choose.
        limit: 1 or more.
        constraint: Says which tokens may come; all by default.
    """
    sample = {"position": chunk.position, "num_tokens": chunk.num_tokens}
    if constraint is None and not sampling.reads_logits:
        words = {"temperature": sampling.temperature, "seed": sampling.seed}
        runner.write_state({**words, "num_generated": 0})
        runner.run("sample", sample)
        return choose_in_program(runner, chunk.end, cached, limit)
    sampler = Sampler(sampling, cached, runner.program.vocab_size, constraint)
    runner.write_state({"temperature": 0.0, "num_generated": 0})
    runner.run("sample", sample)
    return choose_on_host(runner, chunk.end, cached, limit, sampler)


def choose_in_program(
    runner: Runner, position: int, cached: list[int], limit: int
) -> Iterator[list[Choice]]:
    """Read the tokens that the program chooses, after `sample` was submitted."""
    produced = _read_tokens(runner, 0, 1)
    yield [Choice(token) for token in produced]
    done, steps = 1, 1
    while done < limit:
        started = time.perf_counter()
        steps = min(steps, limit - done)
        for _ in range(steps):
            runner.run("decode", {"position": position, "num_tokens": 1})
            position += 1
        cached += produced[-1:]  # a token enters the caches with the step after it
        produced = _read_tokens(runner, done, steps)
        cached += produced[:-1]
        done += steps
        yield [Choice(token) for token in produced]
        per_step = (time.perf_counter() - started) / steps
        steps = max(1, min(STEPS_PER_READ, int(SECONDS_PER_READ / max(per_step, 1e-6))))


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
