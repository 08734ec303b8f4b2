"""Tokenizers: every source becomes one tokenizer.json, which both runners read."""

from __future__ import annotations

from webgemma.tokenizer.convert import make_tokenizer_json
from webgemma.tokenizer.encode import StreamDecoder, Tokenizer
from webgemma.tokenizer.special import SpecialTokens, special_tokens, stop_token_ids

__all__ = [
    "SpecialTokens",
    "StreamDecoder",
    "Tokenizer",
    "make_tokenizer_json",
    "special_tokens",
    "stop_token_ids",
]
