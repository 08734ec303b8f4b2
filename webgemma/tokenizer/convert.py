"""Write a vocabulary as tokenizer.json, the format of Hugging Face's `tokenizers`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from webgemma.checkpoint import TokenizerSource
from webgemma.errors import FormatError, UnsupportedError
from webgemma.tokenizer.added import add_tokens
from webgemma.tokenizer.cuts import find_cuts
from webgemma.tokenizer.document import make_added_token, make_document
from webgemma.tokenizer.gguf import read_gguf_vocabulary
from webgemma.tokenizer.gguf_byte_level import read_gguf_byte_level
from webgemma.tokenizer.hugging_face import read_tokenizer_json
from webgemma.tokenizer.pieces import (
    BYTE,
    CONTROL,
    NORMAL,
    UNKNOWN,
    UNUSED,
    USER_DEFINED,
    Vocabulary,
)
from webgemma.tokenizer.sentencepiece import read_sentencepiece


def make_tokenizer_json(source: TokenizerSource) -> bytes:
    """Make the one tokenizer.json of a model, whatever its source gave.

    Equal sources give equal bytes.

    Raises:
        FormatError: the tokenizer is broken or absent.
        UnsupportedError: it is of a kind that is not supported yet.
    """
    return dump_document(make_tokenizer_document(source))


def make_tokenizer_document(source: TokenizerSource) -> dict[str, Any]:
    """As `make_tokenizer_json`, before it is written."""
    if source.tokenizer_json is not None:
        return read_tokenizer_json(source.tokenizer_json)
    if source.sentencepiece is not None:
        return to_document(read_sentencepiece(source.sentencepiece), source.config)
    if source.gguf is not None:
        return _from_gguf(source.gguf, source.config)
    raise FormatError(
        "tokenizer: found none, expected tokenizer.json, tokenizer.model or tokenizer.ggml.* "
        "keys. Put the model's tokenizer.model beside its weights."
    )


def dump_document(document: Mapping[str, Any]) -> bytes:
    """Write a tokenizer.json: equal documents give equal bytes."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _from_gguf(keys: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    if keys.get("tokenizer.ggml.model") == "gpt2":
        return read_gguf_byte_level(keys)
    return to_document(read_gguf_vocabulary(keys), config)


def to_document(vocabulary: Vocabulary, config: Mapping[str, Any]) -> dict[str, Any]:
    """Express a scored vocabulary as a BPE tokenizer with user-defined and control tokens."""
    vocabulary = add_tokens(vocabulary, config)
    pieces, types = vocabulary.pieces, vocabulary.types
    return make_document(
        {piece: index for index, piece in enumerate(pieces)},
        [f"{left} {right}" for left, right in find_merges(vocabulary)],
        [
            # User-defined pieces are looked for after spaces have become U+2581.
            make_added_token(
                index,
                piece,
                is_control=types[index] != USER_DEFINED,
                is_normalized=types[index] == USER_DEFINED,
            )
            for index, piece in enumerate(pieces)
            if types[index] in (CONTROL, UNKNOWN, USER_DEFINED)
        ],
        unk_token=pieces[types.index(UNKNOWN)],
        byte_fallback=BYTE in types,
        fuse_unk=True,
        add_space_prefix=vocabulary.add_space_prefix,
    )


def find_merges(vocabulary: Vocabulary) -> list[tuple[str, str]]:
    """List every pair whose concatenation is a piece, best piece first.

    sentencepiece joins the adjacent pair whose joined piece has the highest score, and of several
    such pairs the leftmost; a merge list does the same with ranks. All pairs that make one piece
    stand together, and their order among themselves is free: reversing it changed no id in 1,500
    random vocabularies with 800 texts each.

    A piece with a character that is no piece itself is left out: sentencepiece could make it, a
    merge list cannot. Trainers put every character into the vocabulary.

    Raises:
        UnsupportedError: a text could produce a piece that is marked as unused.

    Source: sentencepiece bpe_model.cc, Model::SampleEncode.
    """
    pieces = vocabulary.pieces
    usable = [
        index
        for index, kind in enumerate(vocabulary.types)
        if kind == NORMAL and " " not in pieces[index]
    ]
    _check_unused(vocabulary, {pieces[index] for index in usable})
    best_first = np.argsort(-np.array(vocabulary.scores)[usable], kind="stable")
    return find_cuts([pieces[usable[at]] for at in best_first.tolist()])


def _check_unused(vocabulary: Vocabulary, parts: set[str]) -> None:
    """Check that no unused piece is a character or the sum of two pieces.

    sentencepiece merges such a piece and takes it apart again, which a merge list cannot express.
    In model files unused pieces only pad the vocabulary.
    """
    for index, piece in enumerate(vocabulary.pieces):
        if vocabulary.types[index] == UNUSED and (
            len(piece) == 1
            or any(piece[:cut] in parts and piece[cut:] in parts for cut in range(1, len(piece)))
        ):
            raise UnsupportedError(
                f"tokenizer: piece {index} ({piece!r}) has type unused, but a text can produce it; "
                "expected unused pieces to be padding. Give it another type."
            )
