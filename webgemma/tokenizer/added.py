"""Apply what tokenizer_config.json adds to a sentencepiece vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webgemma.errors import FormatError
from webgemma.tokenizer.pieces import (
    BYTE,
    CONTROL,
    MAX_PIECES,
    NORMAL,
    SPOKEN,
    TURN_MARKERS,
    UNKNOWN,
    USER_DEFINED,
    Vocabulary,
    check_vocabulary,
)

_WHERE = "tokenizer_config.json: added_tokens_decoder"


def add_tokens(vocabulary: Vocabulary, config: Mapping[str, Any]) -> Vocabulary:
    """Append, rename and mark tokens as a fine-tuned model's tokenizer_config.json says.

    A token after the last piece is appended. One with the id of a fixed piece gives it its name:
    fine-tuning often renames an unused one. A special one becomes a control token, and Gemma's turn
    markers do in any case; what answers consist of never does.

    Args:
        vocabulary: the pieces of the model file.
        config: tokenizer_config.json, or empty.

    Raises:
        FormatError: an id or a name is not what it should be, or a piece would appear twice.
    """
    pieces, types = list(vocabulary.pieces), list(vocabulary.types)
    added = _read_added(config)
    for token_id in sorted(added):
        content, is_special = added[token_id]
        content = content if is_special else content.replace(" ", "\u2581")
        if token_id == len(pieces):
            pieces.append(content)
            types.append(USER_DEFINED)
        elif token_id > len(pieces):
            raise FormatError(
                f"{_WHERE}: got id {token_id}, expected at most {len(pieces)}, the next after the "
                "vocabulary. The file belongs to another tokenizer."
            )
        if types[token_id] in (NORMAL, BYTE, UNKNOWN):
            continue
        if is_special:
            types[token_id] = CONTROL
        elif content != pieces[token_id]:
            types[token_id] = USER_DEFINED
        pieces[token_id] = content
    types = [_settled(piece, kind) for piece, kind in zip(pieces, types, strict=True)]
    scores = vocabulary.scores + (0.0,) * (len(pieces) - len(vocabulary.pieces))
    result = Vocabulary(tuple(pieces), scores, tuple(types), vocabulary.add_space_prefix)
    if added:
        check_vocabulary(_WHERE, result)
    return result


def _settled(piece: str, kind: int) -> int:
    """The type of a piece that has the same one in every model, whatever its files say."""
    if piece in TURN_MARKERS and kind != BYTE:
        return CONTROL
    return USER_DEFINED if kind == CONTROL and SPOKEN.fullmatch(piece) else kind


def _read_added(config: Mapping[str, Any]) -> dict[int, tuple[str, bool]]:
    """Read id -> (content, special)."""
    added = config.get("added_tokens_decoder") or {}
    if not isinstance(added, Mapping) or len(added) > MAX_PIECES:
        raise FormatError(f"{_WHERE}: expected an object of at most {MAX_PIECES:,} tokens.")
    tokens = {}
    for key, entry in added.items():
        content = entry.get("content") if isinstance(entry, Mapping) else None
        if not (isinstance(key, str) and key.isdecimal() and len(key) < 8) or not isinstance(
            content, str
        ):
            raise FormatError(
                f"{_WHERE}: got {key!r:.40}: {content!r:.40}, expected an id and an object with a "
                "'content'."
            )
        tokens[int(key)] = content, entry.get("special") is True
    return tokens
