"""Tokenizers: every source becomes one tokenizer.json, which both runners read."""

from __future__ import annotations

from webgemma.tokenizer.convert import (
    dump_document,
    make_tokenizer_document,
    make_tokenizer_json,
)
from webgemma.tokenizer.encode import StreamDecoder, Tokenizer
from webgemma.tokenizer.piece_table import PieceTable
from webgemma.tokenizer.special import SpecialTokens, special_tokens, stop_token_ids

__all__ = [
    "PieceTable",
    "SpecialTokens",
    "StreamDecoder",
    "Tokenizer",
    "dump_document",
    "make_tokenizer_document",
    "make_tokenizer_json",
    "special_tokens",
    "stop_token_ids",
]
