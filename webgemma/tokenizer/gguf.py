"""Read the vocabulary of a GGUF file from its `tokenizer.ggml.*` keys."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from webgemma.errors import FormatError, UnsupportedError
from webgemma.tokenizer.pieces import BYTE, NORMAL, USER_DEFINED, Vocabulary, check_vocabulary

_WHITESPACE = frozenset("\u2581 \n\t\r")


def read_gguf_vocabulary(keys: Mapping[str, Any]) -> Vocabulary:
    """Read pieces, scores and types of an SPM vocabulary (`tokenizer.ggml.model` = "llama").

    Args:
        keys: all `tokenizer.*` keys of the file.

    Raises:
        FormatError: a key is missing or has a wrong type, or the pieces contradict each other.
        UnsupportedError: another kind of tokenizer.
    """
    model = _string(keys, "tokenizer.ggml.model")
    if model != "llama":
        raise UnsupportedError(
            f"tokenizer.ggml.model: {model!r} is not supported (have 'llama', the sentencepiece "
            "vocabulary that Gemma uses). Other kinds are planned for a later release."
        )
    pieces = _array(keys, "tokenizer.ggml.tokens", str)
    scores = _array(keys, "tokenizer.ggml.scores", float)
    types = _array(keys, "tokenizer.ggml.token_type", int)
    prefix = keys.get("tokenizer.ggml.add_space_prefix", True)
    if not isinstance(prefix, (bool, np.bool_)):
        raise FormatError(
            f"tokenizer.ggml.add_space_prefix: got {prefix!r}, expected true or false."
        )
    found = Vocabulary(tuple(pieces), tuple(scores), tuple(types), bool(prefix))
    # Lengths and types must be right before they are compared piece by piece.
    check_vocabulary("tokenizer.ggml.tokens", found)
    restored = _restore_user_defined(found)
    check_vocabulary("tokenizer.ggml.tokens", restored)
    return restored


def _restore_user_defined(vocabulary: Vocabulary) -> Vocabulary:
    """Give back the type user-defined to the pieces that lost it on their way into the file.

    The sentencepiece API does not tell user-defined pieces from normal ones, so converters write
    them as normal. They keep their score 0, which a trained piece cannot have: the trainer numbers
    its pieces 0, -1, -2, ... and writes the first score as -0.0. The trainer also writes all its
    fixed pieces before the trained ones, the byte pieces last. So of the normal pieces with
    score 0, runs of whitespace are user-defined wherever they stand, others if they stand before
    the bytes.

    Newer converters write the spaces of user-defined pieces as plain spaces; they become U+2581.
    Source: llama.cpp convert_hf_to_gguf.py, "pre-normalize user-defined spaces".
    """
    first_byte = vocabulary.types.index(BYTE) if BYTE in vocabulary.types else 0
    pieces, types = list(vocabulary.pieces), list(vocabulary.types)
    for index, piece in enumerate(pieces):
        is_zero = vocabulary.scores[index] == 0 and types[index] == NORMAL
        is_trained = math.copysign(1, vocabulary.scores[index]) < 0
        if is_zero and (_WHITESPACE.issuperset(piece) or (index < first_byte and not is_trained)):
            types[index] = USER_DEFINED
        if types[index] == USER_DEFINED:
            pieces[index] = piece.replace(" ", "\u2581")
    return Vocabulary(tuple(pieces), vocabulary.scores, tuple(types), vocabulary.add_space_prefix)


def _string(keys: Mapping[str, Any], key: str) -> str:
    """Take a string that must be there."""
    value = keys.get(key)
    if not isinstance(value, str):
        raise FormatError(
            f"{key}: got {'nothing' if value is None else repr(value)}, expected a string. "
            "The file holds no tokenizer: re-export it with its vocabulary."
        )
    return value


def _array(keys: Mapping[str, Any], key: str, kind: type) -> list[Any]:
    """Take an array that must be there, with every element of one type."""
    value = keys.get(key)
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
        raise FormatError(
            f"{key}: got {'nothing' if value is None else type(value).__name__}, expected an array "
            f"of {kind.__name__}. The file holds no tokenizer: re-export it with its vocabulary."
        )
    for index, item in enumerate(value):
        if type(item) is not kind:
            raise FormatError(f"{key}: element {index} is {item!r}, expected {kind.__name__}.")
    return list(value)
