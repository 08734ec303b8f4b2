"""Runs a model's phases and kernels with the clock on."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from webgemma.bench.peaks import copy_bandwidth, multiply_add_rate
from webgemma.errors import ConfigError
from webgemma.layout import model_folder, read_manifest
from webgemma.program.spec import WEIGHTS, Step
from webgemma.progress import Progress, no_progress
from webgemma.runtime.runner import Runner
from webgemma.runtime.session import Session, open_session
from webgemma.runtime.timing import kernel_seconds, steps_seconds
from webgemma.runtime.tuning import running_choices

PROMPTS = (16, 128, 512)
CONTEXTS = (16, 256, 1024)
STEPS = 8  # decode steps of one measurement, all under way at once
MOST_SECONDS = 8.0  # of one figure's measurements, but for the last of them
GATHERS = ("embed",)
"""Templates that read rows of the weights they bind, not all of them."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Tokens per second: of a prompt of so many tokens, or of decoding behind so many."""

    tokens: int
    seconds_per_token: float

    @property
    def tokens_per_second(self) -> float:
        """The inverse."""
        return 1 / self.seconds_per_token


@dataclass(frozen=True, slots=True)
class KernelTime:
    """One kernel in one decoded token."""

    name: str
    template: str
    dispatches: int
    seconds: float
    """Of all of them."""
    weights_nbytes: int
    """That they read."""

    @property
    def bandwidth(self) -> float:
        """Bytes of weights per second."""
        return self.weights_nbytes / self.seconds


@dataclass(frozen=True, slots=True)
class Bench:
    """All figures of one model on one device."""

    model: str
    variant: str
    adapter: str
    backend: str
    num_parameters: int
    weights_nbytes: int
    """That one decoded token reads."""
    load_seconds: float
    first_token_seconds: float
    """Of the shortest prompt, from its tokens to the first answered one."""
    prefill: tuple[Rate, ...]
    decode: tuple[Rate, ...]
    kernels: tuple[KernelTime, ...]
    copy_bandwidth: float
    """Bytes per second, read and written, of a plain copy."""
    multiply_add_rate: float
    """f32 operations per second of multiply-adds in registers."""
    tuning: Mapping[str, str]
    """Group of kernels -> the choice that a search on this machine took (runtime/tuning.py)."""

    @property
    def kernels_seconds(self) -> float:
        """A token's kernels, measured one by one."""
        return sum(kernel.seconds for kernel in self.kernels)


def bench(
    site: str | Path,
    *,
    model: str | None = None,
    variant: str = "auto",
    limits: str = "browser",
    prompts: Sequence[int] | None = None,
    contexts: Sequence[int] | None = None,
    repeat: int = 5,
    progress: Progress = no_progress,
) -> Bench:
    """Measure a model of a site on this machine's adapter.

    Args:
        site: A site folder, or the folder of one of its models.
        model: The model's id; the first by default.
        variant: As `open_session` takes it.
        limits: As `open_session` takes it.
        prompts: Lengths of prompts; 16, 128 and 512 by default, as far as the context goes. Where
            lengths are asked for, the context is as long as they need.
        contexts: Tokens in the caches while decoding; 16, 256 and 1024 by default, likewise.
        repeat: Measurements of each figure, fewer where they are slow; their median is given.
        progress: Told the measurements done, of all.

    Raises:
        ConfigError: a length does not fit the model's context, or `repeat` is not positive.
        FormatError: files are damaged.
        GpuError: no adapter, or it lacks what the variant needs.
    """
    check_repeat(repeat)
    context = window_for(read_manifest(model_folder(Path(site), model)), prompts, contexts)
    with open_session(
        site, model=model, variant=variant, limits=limits, context_window_size=context
    ) as session:
        most = session.context_window_size
        lengths = choose_lengths(prompts, PROMPTS, most, "prompt")
        depths = choose_lengths(contexts, CONTEXTS, most - STEPS, "context")
        return _measure(session, lengths, depths, repeat, progress)


def check_repeat(repeat: int) -> None:
    """Refuse to measure nothing.

    Raises:
        ConfigError: it is not positive.
    """
    if repeat < 1:
        raise ConfigError(f"repeat: got {repeat}, expected at least 1.")


def window_for(
    manifest: Mapping[str, Any], prompts: Sequence[int] | None, contexts: Sequence[int] | None
) -> int:
    """Tokens to allocate: the model's default, or more, up to its most, if lengths ask for that."""
    longest = max([*(prompts or ()), *(context + STEPS for context in contexts or ())], default=0)
    default, most = (int(manifest["context"][key]) for key in ("default", "max"))
    return min(max(default, longest), most)


def choose_lengths(
    asked: Sequence[int] | None, usual: Sequence[int], most: int, name: str
) -> list[int]:
    """The lengths asked for, or the usual ones that fit, or the longest that does.

    Raises:
        ConfigError: one asked for does not fit.
    """
    if asked is None:
        return [length for length in usual if length <= most] or [most]
    for length in asked:
        if not 1 <= length <= most:
            raise ConfigError(f"{name}: got {length} tokens, expected 1 to {most} (the context).")
    return list(asked)


def _measure(
    session: Session, prompts: list[int], contexts: list[int], repeat: int, progress: Progress
) -> Bench:
    runner = session.runner
    groups = list(kernel_groups(runner))
    total, done = len(prompts) + len(contexts) + len(groups) + 3, 0

    def tick() -> None:
        nonlocal done
        done += 1
        progress("measuring", done, total)

    warm_up(session)
    first_token = first_token_seconds(session, min(prompts), repeat)
    tick()
    prefill, decode, kernels = [], [], []
    for tokens in prompts:
        prefill.append(Rate(tokens, prefill_seconds(session, tokens, repeat) / tokens))
        tick()
    for tokens in contexts:
        decode.append(Rate(tokens, decode_seconds(runner, tokens, repeat)))
        tick()
    for kernel, numbers in groups:
        kernels.append(kernel_time(runner, kernel, numbers, contexts[0], repeat))
        tick()
    plain = partial(kernel_seconds, runner.device, repeat=repeat)
    copied = copy_bandwidth(plain)
    tick()
    multiplied = multiply_add_rate(plain)
    tick()
    info = runner.device.adapter.info
    manifest = session.model.manifest
    return Bench(
        model=manifest["name"], variant=runner.variant.name, adapter=info["device"],
        backend=info["backend_type"], num_parameters=manifest["num_parameters"],
        weights_nbytes=sum(kernel.weights_nbytes for kernel in kernels),
        load_seconds=session.load_s, first_token_seconds=first_token, prefill=tuple(prefill),
        decode=tuple(decode), kernels=tuple(kernels), copy_bandwidth=copied,
        multiply_add_rate=multiplied, tuning=running_choices(runner.variant),
    )  # fmt: skip


def warm_up(session: Session) -> None:
    """Run all that is measured: lavapipe compiles a kernel with its first dispatch, for seconds."""
    runner = session.runner
    position, rows = run_prompt(session, 1)
    runner.write_state({"temperature": 0.0, "num_generated": 0})
    for phase in ("sample", "decode"):
        runner.run(phase, {"position": position, "num_tokens": rows})
    runner.finished()


def first_token_seconds(session: Session, num_tokens: int, repeat: int) -> float:
    """Time from a prompt's tokens to the first token of the answer, read back."""

    def once() -> None:
        position, rows = run_prompt(session, num_tokens)
        session.runner.write_state({"temperature": 0.0, "num_generated": 0})
        session.runner.run("sample", {"position": position, "num_tokens": rows})
        session.runner.read_generated()

    return _median(once, repeat)


def prefill_seconds(session: Session, num_tokens: int, repeat: int) -> float:
    """Time of a prompt, until the GPU has done it."""

    def once() -> None:
        run_prompt(session, num_tokens)
        session.runner.finished()

    return _median(once, repeat)


def run_prompt(session: Session, num_tokens: int) -> tuple[int, int]:
    """Submit a prompt of the vocabulary's first tokens; (position, rows) of its last chunk."""
    tokens = [i % session.program.vocab_size for i in range(num_tokens)]
    *_, last = session.prefill(tokens, keep=0)
    session.cached = []
    return last


def decode_seconds(runner: Runner, context: int, repeat: int) -> float:
    """Time of a decode step behind `context` tokens, several steps being under way.

    Nobody computed the keys and values there: zeros take as long.
    """

    def once() -> None:
        runner.write_state({"position": context, "num_tokens": 1, "num_generated": 0})
        for step in range(STEPS):
            runner.run("decode", {"position": context + step, "num_tokens": 1})
        runner.finished()

    return _median(once, repeat) / STEPS


def _median(once: Callable[[], None], repeat: int) -> float:
    """Median seconds of `repeat` calls after one that warms up; of fewer if they are slow."""
    times: list[float] = []
    while len(times) <= repeat and sum(times) < MOST_SECONDS:
        started = time.perf_counter()
        once()
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:] or times)


def kernel_groups(runner: Runner) -> Iterator[tuple[str, list[int]]]:
    """(kernel, the numbers of its steps) of phase decode, in the order they first run."""
    groups: dict[str, list[int]] = {}
    for number, step in enumerate(runner.program.phases["decode"]):
        groups.setdefault(step.kernel, []).append(number)
    yield from groups.items()


def kernel_time(
    runner: Runner, kernel: str, numbers: list[int], context: int, repeat: int
) -> KernelTime:
    """Time of a kernel's steps in one token, all layers in turn so that no cache holds them."""
    symbols = {"position": context, "num_tokens": 1}
    runner.write_state({**symbols, "num_generated": 0})
    seconds = steps_seconds(runner, "decode", numbers, symbols, repeat=repeat)
    program = runner.program
    steps = [program.phases["decode"][number] for number in numbers]
    nbytes = sum(weights_nbytes(runner, step) for step in steps)
    return KernelTime(kernel, program.kernels[kernel].template, len(numbers), seconds, nbytes)


def weights_nbytes(runner: Runner, step: Step) -> int:
    """Bytes of weights that a step reads: all it binds, but of a gathering kernel next to none."""
    program = runner.program
    if program.kernels[step.kernel].template in GATHERS:
        return 0
    return sum(
        bound.bound_nbytes(runner.size(program.buffers[bound.buffer].nbytes), runner.symbols)
        for bound in step.bindings
        if program.buffers[bound.buffer].kind in WEIGHTS
    )
