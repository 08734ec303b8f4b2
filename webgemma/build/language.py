"""How a model reads and writes: its tokenizer and its chat template, made for the site."""

from __future__ import annotations

from dataclasses import dataclass

from webgemma.chat import ChatData, chat_data
from webgemma.checkpoint import Checkpoint
from webgemma.errors import FormatError
from webgemma.tokenizer import Tokenizer, make_tokenizer_json, special_tokens

PADDING_ROWS = 512  # rows by which an embedding may exceed its vocabulary (Qwen 3 pads by 267)


@dataclass(frozen=True, slots=True)
class Language:
    """How a model reads and writes."""

    tokenizer_json: bytes
    tokenizer: Tokenizer
    chat: ChatData | None
    """The chat template as data: docs/chat.md."""


def read_language(checkpoint: Checkpoint, rows: int, chat_template: str | None = None) -> Language:
    """Read a model's tokenizer and chat template.

    Args:
        checkpoint: The source.
        rows: Of the embedding.
        chat_template: In place of the source's own, as in `build_site`.

    Raises:
        WebGemmaError: one of them is broken or not supported.
    """
    tokenizer_json = make_tokenizer_json(checkpoint.tokenizer)
    tokenizer = Tokenizer.from_json(tokenizer_json)
    check_vocabulary(checkpoint, tokenizer.vocab_size, rows)
    special = special_tokens(checkpoint, tokenizer)
    chat = chat_data(checkpoint.chat_template, tokenizer, special=special, option=chat_template)
    return Language(tokenizer_json, tokenizer, chat)


def check_vocabulary(checkpoint: Checkpoint, tokens: int, rows: int) -> None:
    """Compare the tokenizer with the embedding.

    Raises:
        FormatError: the embedding has fewer rows than the vocabulary tokens, or far more.
    """
    if not tokens <= rows <= tokens + PADDING_ROWS:
        msg = (
            f"{checkpoint.path}: got a vocabulary of {tokens:,} tokens, expected {rows:,} as the "
            f"embedding has rows (or up to {PADDING_ROWS} fewer). The tokenizer "
            "belongs to another model."
        )
        raise FormatError(msg)
