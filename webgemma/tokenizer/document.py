"""The form of tokenizer.json that webgemma writes and its runners read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SPACE = "\u2581"
REPLACE_SPACES = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
PREPEND_SPACE = {"type": "Prepend", "prepend": SPACE}


def make_document(
    vocab: Mapping[str, int],
    merges: list[str],
    added_tokens: list[dict[str, Any]],
    *,
    unk_token: str | None,
    byte_fallback: bool,
    fuse_unk: bool,
    add_space_prefix: bool,
) -> dict[str, Any]:
    """Put the parts of a tokenizer together, every key in a fixed order.

    Args:
        vocab: piece -> id, in the order of the ids.
        merges: "left right", best first.
        added_tokens: made by `make_added_token`, in the order of the ids.
        unk_token: what a character becomes that is neither a piece nor falls back to bytes.
        byte_fallback: whether an unknown character becomes its UTF-8 bytes.
        fuse_unk: whether a run of unknown characters becomes one unk_token.
        add_space_prefix: whether a space is put before every text.

    Source: the serialization of Hugging Face's `tokenizers`; merges are strings, not pairs, because
    versions before 0.20 read only those.
    """
    normalizer: dict[str, Any] = REPLACE_SPACES
    decoders: list[dict[str, Any]] = [
        {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
    ]
    if add_space_prefix:
        normalizer = {"type": "Sequence", "normalizers": [PREPEND_SPACE, REPLACE_SPACES]}
        decoders.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added_tokens,
        "normalizer": normalizer,
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {"type": "Sequence", "decoders": decoders},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": unk_token,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": fuse_unk,
            "byte_fallback": byte_fallback,
            "ignore_merges": False,
            "vocab": dict(vocab),
            "merges": merges,
        },
    }


def make_added_token(
    token_id: int, content: str, *, is_control: bool, is_normalized: bool
) -> dict[str, Any]:
    """Describe a control token, found in no text, or a user-defined piece, found before merging.

    Args:
        token_id: the id.
        content: the piece.
        is_control: whether only a chat template may produce it.
        is_normalized: whether it is looked for after spaces have become U+2581.
    """
    return {
        "id": token_id,
        "content": content,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": is_normalized,
        "special": is_control,
    }


def has_space_prefix(document: Mapping[str, Any]) -> bool:
    """Tell whether a tokenizer.json puts a space before every text."""
    normalizer = document["normalizer"] or {}
    return PREPEND_SPACE in [normalizer, *normalizer.get("normalizers", [])]
