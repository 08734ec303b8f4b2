"""Read the vocabulary of a sentencepiece tokenizer.model without the protobuf package.

Only what tokenization needs is read: pieces, the model type, byte fallback and the normalizer.
Source: sentencepiece_model.proto (field numbers), protobuf's encoding page (wire types).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from webgemma.errors import FormatError, UnsupportedError
from webgemma.tokenizer.pieces import MAX_PIECES, NORMAL, Vocabulary, check_vocabulary

WHERE = "tokenizer.model"
_BPE = 2
_MODEL_TYPES = {1: "unigram", 2: "bpe", 3: "word", 4: "char"}
_MAX_VARINT_BYTES = 10


@dataclass(slots=True)
class _Model:
    """The fields of ModelProto that matter, with the defaults of its .proto file."""

    pieces: list[str] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    types: list[int] = field(default_factory=list)
    model_type: int = 1
    charsmap: bytes = b""
    add_dummy_prefix: int = 1
    remove_extra_whitespaces: int = 1
    escape_whitespaces: int = 1
    suffix_whitespace: int = 0


def read_sentencepiece(content: bytes) -> Vocabulary:
    """Read the bytes of a tokenizer.model of type BPE.

    Raises:
        FormatError: the bytes are not a sentencepiece model, or its pieces contradict each other.
        UnsupportedError: a model type or text normalization that no Gemma model uses.
    """
    model = _Model()
    for number, value, offset in _fields(content, 0):
        if number == 1:
            _read_piece(model, _as_bytes(value, "a piece", offset), offset)
        elif number == 2:
            _read_trainer(model, _as_bytes(value, "the trainer", offset), offset)
        elif number == 3:
            _read_normalizer(model, _as_bytes(value, "the normalizer", offset), offset)
    _check_supported(model)
    vocabulary = Vocabulary(
        tuple(model.pieces), tuple(model.scores), tuple(model.types), bool(model.add_dummy_prefix)
    )
    check_vocabulary(WHERE, vocabulary)
    return vocabulary


def _read_piece(model: _Model, content: bytes, start: int) -> None:
    """Append one SentencePiece message: piece (1), score (2), type (3)."""
    if len(model.pieces) >= MAX_PIECES:
        raise FormatError(f"{WHERE}: more than {MAX_PIECES:,} pieces.")
    text, score, kind = b"", 0.0, NORMAL
    for number, value, offset in _fields(content, start):
        if number == 1:
            text = _as_bytes(value, "the text of a piece", offset)
        elif number == 2:
            score = _as_float(value, offset)
        elif number == 3:
            kind = _as_int(value, "the type of a piece", offset)
    try:
        model.pieces.append(text.decode())
    except UnicodeDecodeError as error:
        raise FormatError(
            f"{WHERE}: piece {len(model.pieces)} at byte {start:,} is not UTF-8: got {text[:32]!r}."
        ) from error
    model.scores.append(score)
    model.types.append(kind)


def _read_trainer(model: _Model, content: bytes, start: int) -> None:
    """Read model_type (3) and treat_whitespace_as_suffix (24) of TrainerSpec."""
    for number, value, offset in _fields(content, start):
        if number == 3:
            model.model_type = _as_int(value, "the model type", offset)
        elif number == 24:
            model.suffix_whitespace = _as_int(value, "treat_whitespace_as_suffix", offset)


def _read_normalizer(model: _Model, content: bytes, start: int) -> None:
    """Read the character map (2) and the three switches (3, 4, 5) of NormalizerSpec."""
    for number, value, offset in _fields(content, start):
        if number == 2:
            model.charsmap = _as_bytes(value, "the character map", offset)
        elif number == 3:
            model.add_dummy_prefix = _as_int(value, "add_dummy_prefix", offset)
        elif number == 4:
            model.remove_extra_whitespaces = _as_int(value, "remove_extra_whitespaces", offset)
        elif number == 5:
            model.escape_whitespaces = _as_int(value, "escape_whitespaces", offset)


def _check_supported(model: _Model) -> None:
    """Refuse models that split or normalize text in other ways than Gemma's and Llama's."""
    if model.model_type != _BPE:
        got = _MODEL_TYPES.get(model.model_type, str(model.model_type))
        raise UnsupportedError(
            f"{WHERE}: model type {got!r} is not supported (have 'bpe', which Gemma uses). "
            "Unigram models are planned for a later release."
        )
    for wrong, what in (
        (bool(model.charsmap), "a character map (only identity normalization is supported)"),
        (bool(model.remove_extra_whitespaces), "remove_extra_whitespaces = true"),
        (not model.escape_whitespaces, "escape_whitespaces = false"),
        (bool(model.suffix_whitespace), "treat_whitespace_as_suffix = true"),
    ):
        if wrong:
            raise UnsupportedError(
                f"{WHERE}: the normalizer has {what}, which no Gemma model uses; "
                "it is planned for a later release."
            )


def _fields(content: bytes, start: int) -> Iterator[tuple[int, int | bytes, int]]:
    """Walk over one protobuf message: field number, value, the value's offset in the whole file.

    Fixed-width numbers come as their bytes; groups, long gone from protobuf, are refused.
    """
    position = 0
    while position < len(content):
        offset = start + position
        key, position = _varint(content, position, start)
        if key & 7 == 0:
            offset = start + position
            number, position = _varint(content, position, start)
            yield key >> 3, number, offset
            continue
        size = {1: 8, 5: 4}.get(key & 7, -1)
        if key & 7 == 2:
            size, position = _varint(content, position, start)
        if size < 0:
            raise FormatError(
                f"{WHERE}: at byte {offset:,}: got protobuf wire type {key & 7}, "
                "expected 0, 1, 2 or 5. This is not a sentencepiece model."
            )
        if size > len(content) - position:
            raise FormatError(
                f"{WHERE}: at byte {offset:,}: a field of {size:,} bytes, but only "
                f"{len(content) - position:,} are left. The file is truncated: download it again."
            )
        yield key >> 3, content[position : position + size], start + position
        position += size


def _varint(content: bytes, position: int, start: int) -> tuple[int, int]:
    """Read a variable-length integer; return it and the position after it."""
    value = 0
    for index in range(_MAX_VARINT_BYTES):
        if position + index >= len(content):
            break
        byte = content[position + index]
        value |= (byte & 127) << 7 * index
        if byte < 128:
            return value, position + index + 1
    raise FormatError(
        f"{WHERE}: at byte {start + position:,}: an integer does not end. "
        "The file is truncated or not a sentencepiece model."
    )


def _as_bytes(value: int | bytes, what: str, offset: int) -> bytes:
    """Take a length-delimited value."""
    if isinstance(value, int):
        raise FormatError(f"{WHERE}: at byte {offset:,}: {what} is an integer, expected bytes.")
    return value


def _as_int(value: int | bytes, what: str, offset: int) -> int:
    """Take an integer value."""
    if not isinstance(value, int):
        raise FormatError(f"{WHERE}: at byte {offset:,}: {what} is bytes, expected an integer.")
    return value


def _as_float(value: int | bytes, offset: int) -> float:
    """Take a 32-bit float."""
    if isinstance(value, int) or len(value) != 4:
        raise FormatError(f"{WHERE}: at byte {offset:,}: a score is not a 32-bit float.")
    (number,) = struct.unpack("<f", value)
    return float(number)
