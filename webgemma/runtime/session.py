"""A model ready to answer: prompts in, text out. web/runtime/session.js is its twin."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack

import numpy as np
from numpy.typing import NDArray

from webgemma.errors import ConfigError
from webgemma.runtime.device import (
    adapter_features,
    adapter_kinds,
    choose_adapter,
    request_device,
)
from webgemma.runtime.draft import make_drafter
from webgemma.runtime.generation import Generation, StopText
from webgemma.runtime.options import MAX_SEED, GenerateOptions, Options, check_options, wrong
from webgemma.runtime.prompt import Prompt, PromptEncoder
from webgemma.runtime.responses import chat_completion
from webgemma.runtime.runner import Runner, choose_variant
from webgemma.runtime.sampling import Choice, Sampling
from webgemma.runtime.shards import SiteModel, open_site_model
from webgemma.runtime.steps import Chunk, common_prefix, make_steps
from webgemma.runtime.tools import CallText, Toolset, check_tools
from webgemma.runtime.tuning import recall, tuned_variant
from webgemma.runtime.vision import (
    Image,
    Pixels,
    check_prefix,
    encode_image,
    pixels_of,
)
from webgemma.structured import Constrainer, Constraint, schema_grammar
from webgemma.tokenizer import Tokenizer

MAX_N = 128  # OpenAI's


class Session:
    """One model on one device, with its caches: a conversation at a time."""

    def __init__(self, model: SiteModel, runner: Runner, tokenizer: Tokenizer) -> None:
        """Wrap an uploaded runner; `open_session` makes one from a site."""
        self.model = model
        self.runner = runner
        self.tokenizer = tokenizer
        self.program = runner.program
        self.prompts = PromptEncoder(
            model.manifest, self.program, tokenizer, runner.context_window_size
        )
        stop_token_ids = model.manifest["generation"]["stop_token_ids"]
        self.constrainer = Constrainer(tokenizer, stop_token_ids, self.program.vocab_size)
        self.load_s = 0.0
        self.cached: list[int] = []
        """Tokens whose keys and values are in the caches."""
        self.prompt: list[int] | None = None
        """The prompt among them, if it was one."""
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

    def encode_prompt(
        self,
        prompt: Prompt,
        *,
        has_image: bool = False,
        tools: Toolset | None = None,
        options: Options | None = None,
    ) -> list[int]:
        """Token ids of a prompt; see `PromptEncoder.encode`."""
        return self.prompts.encode(prompt, has_image=has_image, tools=tools, options=options)

    def encode_text(self, text: str) -> list[int]:
        """Token ids of plain text, after BOS if the model wants one."""
        return self.prompts.encode_text(text)

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

    def has_encoded(self, pixels: Pixels | None) -> bool:
        """Whether the features of an image are on the GPU; of none, always."""
        return pixels is None or np.array_equal(pixels, np.asarray(self.encoded))

    def begin(self, pixels: Pixels | None, prefix_length: int) -> None:
        """For a model that sees: encode the image, if it is another, and set the prefix.

        Raises:
            ConfigError: the prefix is longer than a chunk.
        """
        image = self.program.image
        if image is None:
            return
        check_prefix(self.program, prefix_length)
        if not self.has_encoded(pixels):
            assert pixels is not None
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
        self.cached, self.prompt = [], None
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
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: str | Mapping[str, Any] | None = None,
        parallel_tool_calls: bool | None = None,
        **options: Unpack[GenerateOptions],
    ) -> Generation:
        """Answer a prompt; iterate over the result for pieces of text as they come.

        Args:
            prompt: Text, or chat messages {"role", "content"}.
            image: A file, or pixels uint8 [height, width, 3], for a model that sees. Without one
                such a model is asked about the text alone.
            tools: Functions that the model may ask for, as OpenAI has them.
            tool_choice: "auto" (default), "none", "required", or the one that must be called.
            parallel_tool_calls: False takes the first call alone.
            options: As in `GenerateOptions`; the model's own values where they are left out.

        Raises:
            ConfigError: an option is out of range, or the prompt does not fit the context.
            UnsupportedError: there is no such option.
        """
        checked = check_options(options, self.model.manifest["generation"])
        toolset = check_tools(tools, tool_choice, parallel_tool_calls)
        pixels = None if image is None else pixels_of(self.program, image)
        tokens = self.encode_prompt(
            prompt, has_image=image is not None, tools=toolset, options=checked
        )
        return self.start(tokens, checked, pixels, toolset)

    def chat(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        n: int = 1,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: str | Mapping[str, Any] | None = None,
        parallel_tool_calls: bool | None = None,
        **options: Unpack[GenerateOptions],
    ) -> dict[str, Any]:
        """Reply to a conversation as OpenAI's chat.completions.create does.

        Args:
            messages: {"role", "content"} each, `tool_calls` and roles "tool" among them.
            n: How many replies; the second has the seed plus 1, and so on.
            tools: As for `generate`, like the rest.
            tool_choice: See there.
            parallel_tool_calls: See there.
            options: See there.

        Returns:
            OpenAI's ChatCompletion.
        """
        if type(n) is not int or not 1 <= n <= MAX_N:
            raise wrong("n", n, f"an integer from 1 to {MAX_N}")
        checked = check_options(options, self.model.manifest["generation"])
        toolset = check_tools(tools, tool_choice, parallel_tool_calls)
        tokens = self.encode_prompt(messages, tools=toolset, options=checked)
        generations = []
        for index in range(n):
            seed = (checked.sampling.seed + index) & MAX_SEED
            seeded = replace(checked, sampling=replace(checked.sampling, seed=seed))
            generations.append(self.start(tokens, seeded, None, toolset))
            for _ in generations[-1]:
                pass
        return chat_completion(self.model.manifest["id"], generations, self.tokenizer)

    def start(
        self, tokens: list[int], options: Options, pixels: Pixels | None, tools: Toolset | None
    ) -> Generation:
        """Begin a text behind a prompt's tokens.

        Raises:
            ConfigError: the prompt does not fit the context, or has too little room behind it.
        """
        self.check_length(tokens)
        if self.program.image is not None:
            check_prefix(self.program, len(tokens))
        timings = {"load_s": self.load_s}
        room = self.context_window_size - len(tokens) + 1  # the last token needs no place
        limit = room if options.max_tokens is None else min(options.max_tokens, room)
        constraint = self.constraint(options.schema, limit, tools)
        return Generation(
            tokens,
            self.token_steps(
                tokens, options.sampling, limit, pixels, constraint, timings, drafts=options.drafts
            ),
            self.tokenizer,
            self.model.manifest["generation"]["stop_token_ids"],
            StopText(options.stop),
            CallText(tools),
            timings,
        )

    def constraint(self, schema: Any, limit: int, tools: Toolset | None) -> Constraint | None:
        """What holds a text of at most `limit` tokens to a schema; None without one.

        Raises:
            ConfigError: no value of the schema is so short, or functions may be called instead.
            UnsupportedError: it cannot be held to all of the schema.
        """
        if schema is None:
            return None
        if tools:
            raise wrong("response_format", "JSON", "text beside tools: a reply is one or the other")
        return self.constrainer.constraint(schema_grammar(schema), limit)

    def token_steps(
        self,
        tokens: list[int],
        sampling: Sampling,
        limit: int,
        pixels: Pixels | None,
        constraint: Constraint | None,
        timings: dict[str, float],
        *,
        drafts: bool = True,
    ) -> Iterator[list[Choice]]:
        """Prefill what is not in the caches, then decode; yields the tokens of every read-back."""
        keep = self.reusable(tokens, pixels)
        timings["cached_tokens"] = keep
        self.prompt = None  # until all of the next one is in the caches
        self.begin(pixels, len(tokens))
        chunk = Chunk(0, 0)
        for position, num_tokens in self.prefill(tokens, keep=keep):
            chunk = Chunk(position, num_tokens)
        self.prompt = tokens
        drafter = make_drafter(self.program, tokens) if drafts else None
        for choices in make_steps(
            self.runner, chunk, self.cached, sampling, limit, constraint, drafter
        ):
            if drafter is not None:
                timings["drafted_tokens"] = drafter.drafted_tokens
                timings["accepted_tokens"] = drafter.accepted_tokens
            yield choices

    def reusable(self, tokens: Sequence[int], pixels: Pixels | None) -> int:
        """How many leading tokens of a prompt need not be run again; never its last one.

        Where the tokens of a prompt see each other, only the same prompt is of use, about the
        same image.
        """
        if self.program.image is None:
            return common_prefix(self.cached, tokens[:-1])
        is_same = list(tokens) == self.prompt and self.has_encoded(pixels)
        return len(tokens) - 1 if is_same else 0


def open_session(
    site: str | Path,
    *,
    model: str | None = None,
    variant: str = "auto",
    limits: str = "browser",
    context_window_size: int | None = None,
    tuned: bool = True,
) -> Session:
    """Load a model of a site onto the GPU.

    Args:
        site: A site folder, or the folder of one of its models.
        model: The model's id; needed where the site has several.
        variant: "auto", or a name of the program's variants: f32, f16, subgroups, f16+subgroups,
            software, lavapipe.
        limits: "browser" for WebGPU's default limits, "adapter" for the adapter's own.
        context_window_size: Tokens the caches hold; the manifest's default by default.
        tuned: Whether kernels are as a search on this machine (`webgemma bench --tune`) chose them.

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
        program.variants, adapter_features(adapter), variant, adapter_kinds(adapter)
    )
    if tuned:
        chosen = tuned_variant(chosen, recall(opened.program_sha256, adapter, chosen))
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
