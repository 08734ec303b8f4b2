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
            f"tokenizer.ggml.model: {model!r} is not supported (have 'llama', a sentencepiece "
            "vocabulary, and 'gpt2', a byte-level one). Other kinds are "
            "planned for a later release."
        )
    pieces = read_array(keys, "tokenizer.ggml.tokens", str)
    scores = read_array(keys, "tokenizer.ggml.scores", float)
    types = read_array(keys, "tokenizer.ggml.token_type", int)
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
    them as normal. They keep their score 0, which no trained piece has but the first: the trainer
    numbers its pieces 0, -1, -2, ... and writes them right after the byte pieces. That first one is
    told by its place, and by its score being -0.0 where the file kept the sign. Without byte pieces
    to go by, only runs of whitespace are restored.

    Newer converters write the spaces of user-defined pieces as plain spaces; they become U+2581.
    Source: llama.cpp convert_hf_to_gguf.py, "pre-normalize user-defined spaces".
    """
    pieces, types = list(vocabulary.pieces), list(vocabulary.types)
    first_trained = len(types) - types[::-1].index(BYTE) if BYTE in types else None
    unscored = [i for i, score in enumerate(vocabulary.scores) if score == 0]
    for index in unscored:
        is_negative = math.copysign(1, vocabulary.scores[index]) < 0
        is_trained = first_trained in (None, index) or is_negative
        is_fixed = not is_trained or _WHITESPACE.issuperset(pieces[index])
        if types[index] == NORMAL and is_fixed:
            types[index] = USER_DEFINED
    for index in [i for i, kind in enumerate(types) if kind == USER_DEFINED]:
        pieces[index] = pieces[index].replace(" ", "\u2581")
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


def read_array(keys: Mapping[str, Any], key: str, kind: type) -> list[Any]:
    """Take an array that must be there, with every element of one type."""
    value = keys.get(key)
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
        raise FormatError(
            f"{key}: got {'nothing' if value is None else type(value).__name__}, expected an array "
            f"of {kind.__name__}. The file holds no tokenizer: re-export it with its vocabulary."
        )
    if not set(map(type, value)) <= {kind}:
        index = next(i for i, item in enumerate(value) if type(item) is not kind)
        raise FormatError(f"{key}: element {index} is {value[index]!r}, expected {kind.__name__}.")
    return list(value)
