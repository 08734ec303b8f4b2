"""Generations as OpenAI's answers. web/runtime/responses.js makes the same in the page."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Any

from webgemma.runtime.generation import Generation
from webgemma.runtime.sampling import Choice
from webgemma.tokenizer import Tokenizer


def chat_completion(
    model: str, generations: Sequence[Generation], tokenizer: Tokenizer
) -> dict[str, Any]:
    """A chat completion of finished generations, one choice each."""
    return {
        "id": f"chatcmpl-{secrets.token_hex(16)}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [
            _choice(index, generation, tokenizer) for index, generation in enumerate(generations)
        ],
        "usage": usage(generations),
    }


def _choice(index: int, generation: Generation, tokenizer: Tokenizer) -> dict[str, Any]:
    calls = generation.tool_calls
    message: dict[str, Any] = {
        "role": "assistant",
        "content": generation.text if generation.text or not calls else None,
        "refusal": None,
    }
    has_logprobs = any(choice.logprob is not None for choice in generation.choices)
    content = [_logprob(choice, tokenizer) for choice in generation.choices]
    return {
        "index": index,
        "message": {**message, "tool_calls": calls} if calls else message,
        "logprobs": {"content": content, "refusal": None} if has_logprobs else None,
        "finish_reason": generation.finish_reason,
    }


def _logprob(choice: Choice, tokenizer: Tokenizer) -> dict[str, Any]:
    def token(token_id: int, logprob: float | None) -> dict[str, Any]:
        data = tokenizer.piece_bytes(token_id)
        text = data.decode("utf-8", "replace")
        return {"token": text, "bytes": list(data), "logprob": logprob}

    top = [token(*alternative) for alternative in choice.top_logprobs]
    return {**token(choice.token_id, choice.logprob), "top_logprobs": top}


def usage(generations: Sequence[Generation]) -> dict[str, Any]:
    """Token counts and rates: OpenAI's fields, and `extra` with ours."""

    def rate(count: int, duration_s: float) -> float:
        return count / duration_s if duration_s else 0.0

    first = generations[0]
    completion = sum(len(generation.tokens) for generation in generations)
    prefilled = sum(g.prompt_tokens - g.cached_tokens for g in generations)
    decoded = sum(max(0, len(generation.tokens) - 1) for generation in generations)
    prefill_s = sum(generation.timings["prefill_s"] for generation in generations)
    decode_s = sum(generation.timings["decode_s"] for generation in generations)
    return {
        "prompt_tokens": first.prompt_tokens,
        "completion_tokens": completion,
        "total_tokens": first.prompt_tokens + completion,
        "prompt_tokens_details": {"cached_tokens": first.cached_tokens},
        "extra": {
            "cached_tokens": first.cached_tokens,
            "prefill_duration_ms": 1000 * prefill_s,
            "decode_duration_ms": 1000 * decode_s,
            "prefill_tokens_per_s": rate(prefilled, prefill_s),
            "decode_tokens_per_s": rate(decoded, decode_s),
            "drafted_tokens": sum(generation.drafted_tokens for generation in generations),
            "accepted_tokens": sum(generation.accepted_tokens for generation in generations),
        },
    }
