"""Read a byte-level vocabulary of a GGUF file (`tokenizer.ggml.model` = "gpt2")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webgemma.errors import UnsupportedError
from webgemma.tokenizer.byte_level import (
    RULES,
    check_alphabet,
    make_byte_level_document,
    without_last,
)
from webgemma.tokenizer.document import make_added_token
from webgemma.tokenizer.gguf import read_array
from webgemma.tokenizer.merges import check_merges
from webgemma.tokenizer.pieces import (
    NORMAL,
    TURN_MARKERS,
    USER_DEFINED,
    Vocabulary,
    check_pieces,
)

WHERE = "tokenizer.ggml.tokens"


def read_gguf_byte_level(keys: Mapping[str, Any]) -> dict[str, Any]:
    """Make the tokenizer.json of tokens, types, merges and the name of the splitting rules.

    Args:
        keys: all `tokenizer.*` keys of the file.

    Raises:
        FormatError: a key is missing or has a wrong type, or they contradict each other.
        UnsupportedError: other rules.
    """
    name = keys.get("tokenizer.ggml.pre", "default")
    if not isinstance(name, str) or name not in RULES:
        raise UnsupportedError(
            f"tokenizer.ggml.pre: {name!r:.40} is not supported (have {', '.join(RULES)}). "
            "Other kinds are planned for a later release."
        )
    pieces = read_array(keys, WHERE, str)
    types = read_array(keys, "tokenizer.ggml.token_type", int)
    scores = (0.0,) * len(pieces)  # byte-level files have none
    check_pieces(WHERE, Vocabulary(tuple(pieces), scores, tuple(types), False))
    ids = {piece: index for index, piece in enumerate(pieces)}
    merges = read_array(keys, "tokenizer.ggml.merges", str)
    added = [
        make_added_token(
            index, pieces[index], is_control=_is_control(pieces[index], kind), is_normalized=False
        )
        for index, kind in enumerate(types)
        if kind != NORMAL or pieces[index] in TURN_MARKERS
    ]
    document = make_byte_level_document(
        without_last(ids, added), check_merges("tokenizer.ggml.merges", merges, ids), added,
        RULES[name],
    )  # fmt: skip
    check_alphabet(WHERE, ids)
    return document


def _is_control(piece: str, kind: int) -> bool:
    """Whether only a chat template may produce it; padding of the vocabulary is nobody's text."""
    return kind != USER_DEFINED or piece in TURN_MARKERS
