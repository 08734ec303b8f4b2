"""Small tokenizers of every kind that replies are held to schemas with."""

from __future__ import annotations

import json

from tests.support.byte_level import family_document
from tests.support.vocabulary import make_vocabulary
from webgemma.checkpoint import TokenizerSource
from webgemma.tokenizer import make_tokenizer_json

KINDS = ("llama-bpe", "qwen2", "spm")


def tokenizer_json(kind: str) -> bytes:
    """Byte-level BPE of two families, or SentencePiece's that puts a space before every text."""
    if kind != "spm":
        document = json.dumps(family_document(kind)).encode()
        return make_tokenizer_json(TokenizerSource(tokenizer_json=document))
    made = make_vocabulary(2000)
    keys = {"model": "llama", "tokens": made.tokens, "scores": made.scores}
    keys |= {"token_type": made.types, "add_space_prefix": True}
    gguf = {f"tokenizer.ggml.{name}": value for name, value in keys.items()}
    return make_tokenizer_json(TokenizerSource(gguf=gguf))
