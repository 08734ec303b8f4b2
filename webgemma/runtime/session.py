"""A model ready to answer: prompts in, text out. web/runtime/session.js is its twin."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from webgemma.chat import render_chat
from webgemma.errors import ConfigError
from webgemma.runtime.device import (
    adapter_features,
    choose_adapter,
    is_software,
    request_device,
)
from webgemma.runtime.generation import Generation, StopText
from webgemma.runtime.runner import Runner, choose_variant
from webgemma.runtime.shards import SiteModel, open_site_model
from webgemma.runtime.vision import (
    Image,
    Pixels,
    check_prefix,
    encode_image,
    pixels_of,
    vision_prompt,
)
from webgemma.tokenizer import Tokenizer

Prompt = str | Sequence[Mapping[str, str]]

STEPS_PER_READ = 8  # decode steps submitted before the tokens are read back, at most
SECONDS_PER_READ = 0.1  # text should appear at least this often


class Session:
    """One model on one device, with its caches: a conversation at a time."""

    def __init__(self, model: SiteModel, runner: Runner, tokenizer: Tokenizer) -> None:
        """Wrap an uploaded runner; `open_session` makes one from a site."""
        self.model = model
        self.runner = runner
        self.tokenizer = tokenizer
        self.program = runner.program
        self.load_s = 0.0
        self.cached: list[int] = []
        """Tokens whose keys and values are in the caches."""
        self.encoded: Pixels | None = None
        """The image whose features are on the GPU."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the GPU's memory."""
        self.runner.destroy()

    @property
    def context_window_size(self) -> int:
        """Tokens the caches hold."""
        return self.runner.context_window_size

    def encode_prompt(self, prompt: Prompt, *, has_image: bool = False) -> list[int]:
        """Token ids of a prompt: chat messages by the model's template, or text after BOS.

        A text is put into the template as one user's message if the model has a template. One
        for a model that sees comes after the image, if there is one.

        Raises:
            ConfigError: messages for a model without a chat template, or in a wrong order.
        """
        chat = self.model.manifest.get("chat")
        image = self.program.image
        if image is not None and isinstance(prompt, str):
            text = self.tokenizer.encode(prompt + image["suffix"])
            return vision_prompt(image, self.encode_text(""), text, has_image=has_image)
        if isinstance(prompt, str):
            if chat is None:
                return self.encode_text(prompt)
            prompt = [{"role": "user", "content": prompt}]
        if chat is None:
            msg = "messages: the model has no chat template. Give the prompt as one text."
            raise ConfigError(msg)
        return render_chat(chat, prompt, self.tokenizer)

    def encode_text(self, text: str) -> list[int]:
        """Token ids of plain text, after BOS if the model wants one."""
        bos = self.model.manifest["generation"].get("bos_token_id")
        return [*([] if bos is None else [bos]), *self.tokenizer.encode(text)]

    def prefill(self, tokens: Sequence[int], *, keep: int) -> Iterator[tuple[int, int]]:
        """Run tokens[keep:] in chunks; yields (first row, rows) after each.

        Args:
            tokens: The whole sequence; the first `keep` are in the caches already.
            keep: How many.
        """
        chunk = self.program.prefill_chunk_size
        for start in range(keep, len(tokens), chunk):
            part = tokens[start : start + chunk]
            self.runner.write_tokens(part)
            self.runner.write_state({"position": start, "num_tokens": len(part)})
            self.runner.run("prefill", {"position": start, "num_tokens": len(part)})
            self.cached = list(tokens[: start + len(part)])
            yield start, len(part)

    def check_length(self, tokens: Sequence[int]) -> None:
        """Refuse what the caches cannot hold, or nothing at all.

        Raises:
            ConfigError: too many tokens, none, or one outside the vocabulary.
        """
        if not 0 < len(tokens) <= self.context_window_size:
            msg = (
                f"prompt: got {len(tokens)} tokens, expected 1 to {self.context_window_size} "
                "(the context). Shorten it, or open the session with a larger context."
            )
            raise ConfigError(msg)
        top = max(tokens)
        if min(tokens) < 0 or top >= self.program.vocab_size:
            msg = f"prompt: got token {top}, expected 0 to {self.program.vocab_size - 1}."
            raise ConfigError(msg)

    def begin(self, pixels: Pixels | None, prefix_length: int) -> None:
        """For a model that sees: encode the image, if it is another, and set the prefix.

        Raises:
            ConfigError: the prefix is longer than a chunk.
        """
        image = self.program.image
        if image is None:
            return
        check_prefix(self.program, prefix_length)
        if pixels is not None and not np.array_equal(pixels, np.asarray(self.encoded)):
            encode_image(self.runner, image, pixels)
            self.encoded = pixels
        self.runner.write_state({"prefix_length": prefix_length})

    def logits(
        self, token_ids: Sequence[int], *, pixels: Pixels | None = None, prefix_length: int = 0
    ) -> NDArray[np.float32]:
        """Logits at every position, float32 [num_tokens, vocab_size].

        Args:
            token_ids: The whole sequence.
            pixels: The image of a model that sees, for the tokens that stand for it.
            prefix_length: In such a model, the first so many tokens see each other.

        Raises:
            ConfigError: more tokens than the context holds, or none, or too long a prefix.
        """
        self.check_length(token_ids)
        self.begin(pixels, prefix_length)
        return np.concatenate(list(self._iter_logits(token_ids, 0)))

    def iter_logits(
        self, token_ids: Sequence[int], *, first: int = 0
    ) -> Iterator[NDArray[np.float32]]:
        """Logits at positions `first` and later, a few rows at a time, in order.

        Args:
            token_ids: The whole sequence; all of it is run.
            first: Earlier positions cost no product with the vocabulary.

        Yields:
            float32 [rows, vocab_size], at most `logits_chunk_size` rows.

        Raises:
            ConfigError: more tokens than the context holds, or none.
        """
        self.check_length(token_ids)
        self.begin(None, 0)
        yield from self._iter_logits(token_ids, first)

    def _iter_logits(self, token_ids: Sequence[int], first: int) -> Iterator[NDArray[np.float32]]:
        self.cached = []
        most = self.program.logits_chunk_size
        for position, num_rows in self.prefill(token_ids, keep=0):
            for start in range(max(0, first - position), num_rows, most):
                rows = min(most, num_rows - start)
                self.runner.write_state({"logits_start": start, "num_tokens": rows})
                self.runner.run("logits", {"position": position, "num_tokens": rows})
                yield self.runner.read_logits(rows)

    def generate(
        self,
        prompt: Prompt,
        *,
        image: Image | None = None,
        max_tokens: int = 256,
        temperature: float = 0.0,
        seed: int | None = None,
        stop: Sequence[str] = (),
    ) -> Generation:
        """Answer a prompt; iterate over the result for pieces of text as they come.

        Args:
            prompt: Text, or chat messages {"role", "content"}.
            image: A file, or pixels uint8 [height, width, 3], for a model that sees. Without one
                such a model is asked about the text alone.
            max_tokens: Stop after so many tokens.
            temperature: 0 takes the likeliest token; above, tokens are drawn.
            seed: Makes drawing repeatable.
            stop: Texts that end the answer; they are not part of it.

        Raises:
            ConfigError: an argument is out of range, or the prompt does not fit the context.
        """
        if max_tokens < 1:
            raise ConfigError(f"max_tokens: got {max_tokens}, expected at least 1.")
        if not 0 <= temperature <= 100:
            raise ConfigError(f"temperature: got {temperature}, expected 0 to 100.")
        pixels = None if image is None else pixels_of(self.program, image)
        tokens = self.encode_prompt(prompt, has_image=image is not None)
        self.check_length(tokens)
        if self.program.image is not None:
            check_prefix(self.program, len(tokens))
        seed = secrets.randbits(32) if seed is None else seed & 0xFFFFFFFF
        state = {"temperature": temperature, "seed": seed, "num_generated": 0}
        steps = self.token_steps(tokens, max_tokens, state, pixels)
        stop_ids = self.model.manifest["generation"]["stop_token_ids"]
        return Generation(
            tokens, steps, self.tokenizer, stop_ids, StopText(stop), {"load_s": self.load_s}
        )

    def token_steps(
        self,
        tokens: list[int],
        max_tokens: int,
        state: Mapping[str, int | float],
        pixels: Pixels | None = None,
    ) -> Iterator[list[int]]:
        """Prefill, then decode; yields the new tokens of every read-back.

        The tokens of a prompt that see each other are never reused for another prompt.
        """
        keep = common_prefix(self.cached, tokens[:-1]) if self.program.image is None else 0
        self.begin(pixels, len(tokens))
        self.runner.write_state(state)
        rows = 0
        for _, num_rows in self.prefill(tokens, keep=keep):
            rows = num_rows
        position = len(tokens) - rows
        self.runner.run("sample", {"position": position, "num_tokens": rows})
        position = len(tokens)
        produced = self.read_tokens(0, 1)
        yield produced
        done, steps = 1, 1
        most = min(max_tokens, self.context_window_size - len(tokens) + 1)
        while done < most:
            started = time.perf_counter()
            steps = min(steps, most - done)
            for _ in range(steps):
                self.runner.run("decode", {"position": position, "num_tokens": 1})
                position += 1
            self.cached = [*self.cached, *produced[-1:]]
            produced = self.read_tokens(done, steps)
            self.cached += produced[:-1]
            done += steps
            yield produced
            per_step = (time.perf_counter() - started) / steps
            steps = max(1, min(STEPS_PER_READ, int(SECONDS_PER_READ / max(per_step, 1e-6))))

    def read_tokens(self, first: int, count: int) -> list[int]:
        """Generated tokens first..first + count - 1; waits for the GPU."""
        ring = self.runner.read_generated()
        return [int(ring[i % len(ring)]) for i in range(first, first + count)]


def common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """How many leading tokens two sequences share."""
    count = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        count += 1
    return count


def open_session(
    site: str | Path,
    *,
    model: str | None = None,
    variant: str = "auto",
    limits: str = "browser",
    context_window_size: int | None = None,
) -> Session:
    """Load a model of a site onto the GPU.

    Args:
        site: A site folder, or the folder of one of its models.
        model: The model's id; the first by default.
        variant: "auto", or a name of the program's variants: f32, f16, subgroups, f16+subgroups,
            software.
        limits: "browser" for WebGPU's default limits, "adapter" for the adapter's own.
        context_window_size: Tokens the caches hold; the manifest's default by default.

    Raises:
        ConfigError: no such model, or a context the model does not have.
        FormatError: files are damaged.
        GpuError: no adapter, or it lacks what the variant needs.
    """
    started = time.perf_counter()
    opened = open_site_model(site, model)
    program = opened.program()
    context = check_context(opened.manifest, context_window_size)
    adapter = choose_adapter()
    chosen = choose_variant(
        program.variants, adapter_features(adapter), variant, software=is_software(adapter)
    )
    device = request_device(chosen.requires, limits=limits, adapter=adapter)
    runner = Runner(device, program, opened.shaders(), variant=chosen, context_window_size=context)
    for shard in opened.shards():
        for name, data in shard:
            runner.upload(name, data)
        runner.finished()
    tokenizer = Tokenizer.from_json(opened.read("tokenizer.json"))
    session = Session(opened, runner, tokenizer)
    session.load_s = time.perf_counter() - started
    return session


def check_context(manifest: Mapping[str, Any], context_window_size: int | None) -> int:
    """The context to allocate.

    Raises:
        ConfigError: it is not within 1 and the model's maximum.
    """
    context = manifest["context"]
    chosen: int = context["default"] if context_window_size is None else context_window_size
    if not 1 <= chosen <= context["max"]:
        msg = f"context: got {chosen} tokens, expected 1 to {context['max']} (the model's maximum)."
        raise ConfigError(msg)
    return chosen
