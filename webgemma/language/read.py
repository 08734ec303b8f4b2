"""Reads a tokenizer and a chat template, and checks that they belong to the model."""

from __future__ import annotations

from dataclasses import dataclass

from webgemma.chat import ChatData, chat_data
from webgemma.checkpoint import Checkpoint
from webgemma.errors import FormatError
from webgemma.tokenizer import (
    PieceTable,
    SpecialTokens,
    Tokenizer,
    dump_document,
    make_tokenizer_document,
    special_tokens,
)

PADDING_ROWS = 512  # rows by which an embedding may exceed its vocabulary (Qwen 3 pads by 267)


@dataclass(frozen=True, slots=True)
class Language:
    """How a model reads and writes."""

    tokenizer_json: bytes
    vocab_size: int
    """Pieces of the tokenizer; the embedding may have a few rows more."""
    special: SpecialTokens
    chat: ChatData | None
    """The chat template as data: docs/chat.md."""


def read_language(checkpoint: Checkpoint, chat_template: str | None = None) -> Language:
    """Read a model's tokenizer and chat template.

    Args:
        checkpoint: The source; its tensors are not needed.
        chat_template: In place of the source's own, as in `build_site`.

    Raises:
        WebGemmaError: one of them is broken or not supported.
    """
    document = make_tokenizer_document(checkpoint.tokenizer)
    content = dump_document(document)
    # A tokenizer.json of others is shown to the package that the native runner will read it with;
    # that takes as long as all the rest, and what is made of a vocabulary here it always takes.
    is_foreign = checkpoint.tokenizer.tokenizer_json is not None
    pieces = Tokenizer(document, content) if is_foreign else PieceTable(document)
    special = special_tokens(checkpoint, pieces)
    chat = chat_data(checkpoint.chat_template, pieces, special=special, option=chat_template)
    return Language(content, pieces.vocab_size, special, chat)


def check_vocabulary(checkpoint: Checkpoint, language: Language, rows: int) -> None:
    """Compare the tokenizer with the embedding.

    Raises:
        FormatError: the embedding has fewer rows than the vocabulary tokens, or far more.
    """
    tokens = language.vocab_size
    if not tokens <= rows <= tokens + PADDING_ROWS:
        msg = (
            f"{checkpoint.path}: got a vocabulary of {tokens:,} tokens, expected {rows:,} as the "
            f"embedding has rows (or up to {PADDING_ROWS} fewer). The tokenizer "
            "belongs to another model."
        )
        raise FormatError(msg)
