"""A vocabulary of scored pieces, as sentencepiece and GGUF files give it, and its checks."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from webgemma.errors import FormatError

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
"""Types of pieces; sentencepiece and GGUF use the same numbers.

Source: sentencepiece_model.proto, ModelProto.SentencePiece.Type; gguf-py constants.py, TokenType.
"""

MAX_PIECES = 1 << 20
MAX_PIECE_CHARACTERS = 1024  # sentencepiece trains with at most 16, Gemma's longest is a run of 31

SPOKEN = re.compile(r"<loc\d{4}>|<seg\d{3}>")
"""Pieces that answers of PaliGemma consist of; some converters mark them as control tokens."""
TURN_MARKERS = frozenset(
    {
        "<start_of_turn>",
        "<end_of_turn>",
        "<start_of_image>",
        "<end_of_image>",
        "<|im_start|>",
        "<|im_end|>",
        "<|eot_id|>",
    }
)
"""Pieces which are control tokens whatever type the file gives them.

Gemma's tokenizer.model calls its turn markers user-defined, so that sentencepiece would find them
in the text of a user; llama.cpp corrects the type of the same names when it loads a file.
"""

BYTE_PIECE = re.compile(r"<0x([0-9A-F]{2})>")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Every piece with its score and type, and what is done to a text before they are looked up."""

    pieces: tuple[str, ...]
    scores: tuple[float, ...]
    types: tuple[int, ...]
    add_space_prefix: bool
    """Whether a space is put before every text (`add_dummy_prefix` in sentencepiece)."""


def check_vocabulary(where: str, vocabulary: Vocabulary) -> None:
    """Check counts, types, lengths, scores, duplicates, byte pieces and the unknown piece.

    Args:
        where: the file or key that error messages name.
        vocabulary: the pieces in the order of their ids.

    Raises:
        FormatError: with the index and text of the piece that is wrong.
    """
    pieces, types = vocabulary.pieces, vocabulary.types
    check_pieces(where, vocabulary)
    _check_bytes(where, pieces, types)
    if types.count(UNKNOWN) != 1:
        raise FormatError(
            f"{where}: got {types.count(UNKNOWN)} pieces of type unknown, expected exactly 1."
        )


def _check_counts(where: str, vocabulary: Vocabulary) -> None:
    """Check that there is a score and a type for every piece."""
    pieces, types = vocabulary.pieces, vocabulary.types
    if not 0 < len(pieces) <= MAX_PIECES:
        raise FormatError(f"{where}: got {len(pieces):,} pieces, expected 1 to {MAX_PIECES:,}.")
    for name, values in (("scores", vocabulary.scores), ("types", types)):
        if len(values) != len(pieces):
            raise FormatError(
                f"{where}: got {len(values):,} {name} for {len(pieces):,} pieces, "
                "expected one for each. The file is damaged: download it again."
            )


def check_unicode(where: str, pieces: Iterable[str]) -> None:
    """Check that no piece holds a lone surrogate, which UTF-8 and so tokenizer.json cannot.

    Raises:
        FormatError: one does.
    """
    try:
        "\n".join(pieces).encode()
    except UnicodeEncodeError as error:
        raise FormatError(
            f"{where}: a piece holds U+{ord(error.object[error.start]):04X}, a lone surrogate, "
            "expected Unicode text."
        ) from error


def check_pieces(where: str, vocabulary: Vocabulary) -> None:
    """Check counts, every piece by itself, and that no two are equal.

    Raises:
        FormatError: with the index and text of the piece that is wrong.
    """
    _check_counts(where, vocabulary)
    check_unicode(where, vocabulary.pieces)
    if not _are_sound(vocabulary):
        _name_unsound(where, vocabulary)


def _are_sound(vocabulary: Vocabulary) -> bool:
    """Whether `_name_unsound` would find nothing: a hundred times as fast, and says not what."""
    pieces, types = vocabulary.pieces, vocabulary.types
    lengths = set(map(len, pieces))
    return (
        0 not in lengths
        and max(lengths) <= MAX_PIECE_CHARACTERS
        and NORMAL <= min(types) <= max(types) <= BYTE
        and all(map(math.isfinite, vocabulary.scores))
        and len(set(pieces)) == len(pieces)
    )


def _name_unsound(where: str, vocabulary: Vocabulary) -> None:
    """Raise the error of the first piece that is wrong."""
    first: dict[str, int] = {}
    for index, piece in enumerate(vocabulary.pieces):
        if not piece or len(piece) > MAX_PIECE_CHARACTERS:
            raise FormatError(
                f"{where}: piece {index} has {len(piece):,} characters, "
                f"expected 1 to {MAX_PIECE_CHARACTERS:,}."
            )
        if not NORMAL <= vocabulary.types[index] <= BYTE:
            raise FormatError(
                f"{where}: piece {index} ({piece!r}): got type {vocabulary.types[index]}, "
                "expected 1 to 6."
            )
        if not math.isfinite(vocabulary.scores[index]):
            raise FormatError(
                f"{where}: piece {index} ({piece!r}): got score {vocabulary.scores[index]}, "
                "expected a finite number."
            )
        if first.setdefault(piece, index) != index:
            raise FormatError(
                f"{where}: piece {index} ({piece!r}) is the same as piece {first[piece]}, "
                "expected every piece once."
            )


def _check_bytes(where: str, pieces: tuple[str, ...], types: tuple[int, ...]) -> None:
    """Check that there are no byte pieces, or all 256 of them under their own names."""
    found = set()
    for index in [i for i, kind in enumerate(types) if kind == BYTE]:
        piece = pieces[index]
        if not BYTE_PIECE.fullmatch(piece):
            raise FormatError(
                f"{where}: piece {index} ({piece!r}) has type byte, "
                "expected a name from '<0x00>' to '<0xFF>'."
            )
        found.add(piece)
    if found and len(found) != 256:
        raise FormatError(f"{where}: got {len(found)} byte pieces, expected none or all 256.")
