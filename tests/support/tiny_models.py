"""Tiny sentencepiece models behind tests/cases/tokenizer.json and tests/cases/chat.json."""

from __future__ import annotations

from tests.support.sentencepiece_model import (
    NORMAL,
    UNUSED,
    USER_DEFINED,
    Piece,
    base_pieces,
    write_model,
)

_TRAINED = (
    "\u2581t", "he", "\u2581the", "user", "er", "us", "se", "model", "mo", "del", "de", "hell",
    "ll", "hello", "aa", "aaa", "aaaa", "ab", "ba", "aba", "\u2581\u2581a", "cat", "at",
)  # fmt: skip
_CHARACTERS = "\u2581abcdehlmorstu,.é"


def tiny_pieces(*, has_bytes: bool = True) -> list[Piece]:
    """A vocabulary with turn markers, runs of whitespace, a tag, an unused piece and 23 merges."""
    fixed = (
        "<start_of_turn>",
        "<end_of_turn>",
        "\n",
        "\n\n",
        "\u2581\u2581",
        "\u2581\u2581\u2581",
        "<b>",
    )
    trained = [*_TRAINED, *_CHARACTERS]
    return [
        *base_pieces()[:4],
        *((piece, 0.0, USER_DEFINED) for piece in fixed),
        ("<unused>", 0.0, UNUSED),
        *base_pieces(has_bytes=has_bytes)[4:],
        *((piece, -float(index), NORMAL) for index, piece in enumerate(trained)),
    ]  # fmt: skip


def tiny_models() -> dict[str, bytes]:
    """Name -> bytes of a tokenizer.model."""
    return {
        "gemma": write_model(tiny_pieces()),
        "prefixed": write_model(tiny_pieces(), add_dummy_prefix=1),
        "no_bytes": write_model(tiny_pieces(has_bytes=False), byte_fallback=0),
    }
