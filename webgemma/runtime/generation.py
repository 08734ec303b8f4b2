"""One answer while it is generated: pieces of text, then tokens, reason and timings."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from webgemma.runtime.sampling import Choice
from webgemma.runtime.tools import CallText
from webgemma.tokenizer import StreamDecoder

if TYPE_CHECKING:
    from webgemma.tokenizer import Tokenizer


class StopText:
    """Holds text back while it may be the beginning of a stop text."""

    def __init__(self, stop: Sequence[str]) -> None:
        """Stop at any of `stop`; empty texts are ignored."""
        self.stop = [text for text in stop if text]
        self.held = ""
        self.found = False

    def push(self, text: str) -> str:
        """Add text; returns what can be shown; nothing, after a stop text."""
        if self.found:
            return ""
        self.held += text
        hits = [at for at in (self.held.find(s) for s in self.stop) if at >= 0]
        if hits:
            self.found = True
            shown, self.held = self.held[: min(hits)], ""
            return shown
        keep = max((self._overlap(s) for s in self.stop), default=0)
        cut = len(self.held) - keep
        shown, self.held = self.held[:cut], self.held[cut:]
        return shown

    def _overlap(self, stop: str) -> int:
        """Characters at the end of the held text that begin `stop`."""
        most = min(len(stop) - 1, len(self.held))
        return next((n for n in range(most, 0, -1) if self.held.endswith(stop[:n])), 0)

    def finish(self) -> str:
        """What was held back, when nothing more comes."""
        shown, self.held = self.held, ""
        return shown


class Generation:
    """An iterator over pieces of text; its other attributes are complete when it ends."""

    def __init__(
        self,
        prompt: Sequence[int],
        steps: Iterator[list[Choice]],
        tokenizer: Tokenizer,
        stop_token_ids: Sequence[int],
        stop_text: StopText,
        call_text: CallText,
        timings: dict[str, float],
    ) -> None:
        """Generate from `steps`, which yields the new tokens of every read-back."""
        self.prompt_tokens = len(prompt)
        self.tokens: list[int] = []
        """Ids generated, without the stop token."""
        self.choices: list[Choice] = []
        """The same, with logprobs if they were asked for."""
        self.text = ""
        self.finish_reason: str | None = None
        """ "stop" after a stop token or text, "length" when tokens or context ran out,
        "tool_calls" when the answer is calls of functions."""
        self.tool_calls: list[dict[str, Any]] = []
        """The calls, as OpenAI has them; they are no part of the text."""
        self.timings = timings
        """Seconds: load_s, prefill_s (to the first token), decode_s; and tokens per second."""
        self._steps = steps
        self._decoder = StreamDecoder(tokenizer)
        self._stop_token_ids = frozenset(stop_token_ids)
        self._stop_text = stop_text
        self._call_text = call_text
        self._pieces = self._run()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        piece = next(self._pieces)
        self.text += piece
        return piece

    def _run(self) -> Iterator[str]:
        started = time.perf_counter()
        first_token = started
        for produced in self._steps:
            if not self.tokens:
                first_token = time.perf_counter()
            self._time(started, first_token)
            piece = "".join(self._accept(produced))
            if piece:
                yield piece
            if self.finish_reason:
                break
        self._time(started, first_token)
        if self.finish_reason is None:
            self.finish_reason = "length"
        rest = self._end()
        if rest:
            yield rest

    def _end(self) -> str:
        """Decide what was held back: text, or calls."""
        rest = self._stop_text.push(self._decoder.finish()) + self._stop_text.finish()
        text = self._call_text.push(rest)
        held, self.tool_calls = self._call_text.finish()
        if self.tool_calls:
            self.finish_reason = "tool_calls"
        return text + held

    def _accept(self, produced: Sequence[Choice]) -> Iterator[str]:
        """Take tokens until one of them, or their text, ends the answer."""
        for choice in produced:
            token = choice.token_id
            if token in self._stop_token_ids:
                self.finish_reason = "stop"
                return
            self.tokens.append(token)
            self.choices.append(choice)
            yield self._call_text.push(self._stop_text.push(self._decoder.push(token)))
            if self._stop_text.found:
                self.finish_reason = "stop"
                return

    @property
    def cached_tokens(self) -> int:
        """Tokens of the prompt that were in the caches already; known from the first piece on."""
        return int(self.timings.get("cached_tokens", 0))

    @property
    def drafted_tokens(self) -> int:
        """Tokens that were drafted, so far."""
        return int(self.timings.get("drafted_tokens", 0))

    @property
    def accepted_tokens(self) -> int:
        """Those of them that the model would have chosen."""
        return int(self.timings.get("accepted_tokens", 0))

    def _time(self, started: float, first_token: float) -> None:
        prefill_s = first_token - started
        decode_s = time.perf_counter() - first_token
        prefilled = self.prompt_tokens - self.cached_tokens
        decoded = max(len(self.tokens) - 1, 0)
        self.timings.update(
            prefill_s=prefill_s,
            decode_s=decode_s,
            prefill_tokens_per_s=prefilled / prefill_s if prefill_s else 0.0,
            decode_tokens_per_s=decoded / decode_s if decode_s else 0.0,
        )
