"""Tokenizers: every source becomes one tokenizer.json, which both runners read."""

from __future__ import annotations

from webgemma.tokenizer.convert import make_tokenizer_json
from webgemma.tokenizer.encode import StreamDecoder, Tokenizer
from webgemma.tokenizer.stop import stop_token_ids

__all__ = ["StreamDecoder", "Tokenizer", "make_tokenizer_json", "stop_token_ids"]
