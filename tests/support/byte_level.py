"""Byte-level tokenizers as the families publish them, with small vocabularies trained here.

The patterns are copied from the families' own tokenizer.json files, apart from `webgemma`'s.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from typing import Any

import tokenizers
from tokenizers import models, pre_tokenizers, trainers

from tests.support.strings import make_strings

LLAMA3 = (
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+"
    "[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
)
QWEN = LLAMA3.replace("\\p{N}{1,3}", "\\p{N}")
LLAMA_CPP_DEFAULT = (
    "[\\p{P}\\$\\+<=>\\^~\\|]+",
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)",
    "\\p{N}+",
    "[0-9][0-9][0-9]",
)
PATTERNS = {
    "llama-bpe": (LLAMA3,), "qwen2": (QWEN,), "gpt-2": None, "default": LLAMA_CPP_DEFAULT,
}  # fmt: skip
"""tokenizer.ggml.pre -> the patterns of the family; None: those of ByteLevel itself."""
SPECIAL = ("<|begin_of_text|>", "<|end_of_text|>", "<|im_start|>", "<|im_end|>")
USER_DEFINED = ("<think>", "</think>", "<tool call>")
UNREACHABLE = "\u0120zebras"  # a piece that no merge makes
SIZE = 2000
CONTRACTIONS = ("'s", "'S", "'\u017f", "'Re", "'VE", "'lL", "'d", "don't", "I'M", "''s", "'x")


def family_document(family: str) -> dict[str, Any]:
    """A trained tokenizer.json in the form the family publishes it."""
    splits: list[dict[str, Any]] = [
        {"type": "Split", "pattern": {"Regex": p}, "behavior": "Isolated", "invert": False}
        for p in PATTERNS[family] or ()
    ]
    last = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    last |= {"use_regex": not splits}
    splitter = {"type": "Sequence", "pretokenizers": [*splits, last]} if splits else last
    document = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
        "normalizer": {"type": "NFC"} if family == "qwen2" else None,
        "pre_tokenizer": splitter, "post_processor": None, "decoder": {**last, "use_regex": True},
        "model": trained_model(splitter, ignore_merges=family == "llama-bpe"),
    }  # fmt: skip
    first = len(document["model"]["vocab"])
    document["added_tokens"] = [
        {
            "id": first + i, "content": content, "single_word": False, "lstrip": False,
            "rstrip": False, "normalized": False, "special": content in SPECIAL,
        }
        for i, content in enumerate((*SPECIAL, *USER_DEFINED))
    ]  # fmt: skip
    return document


def trained_model(splitter: dict[str, Any], *, ignore_merges: bool) -> dict[str, Any]:
    """A BPE model of SIZE pieces, and one piece more."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    bare = {"version": "1.0", "added_tokens": [], "pre_tokenizer": splitter}
    bare |= {"model": {"type": "BPE", "vocab": {}, "merges": []}}
    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(bare))
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE, initial_alphabet=alphabet, show_progress=False, special_tokens=[]
    )
    tokenizer.train_from_iterator(make_strings(4000, seed=1), trainer)
    model: dict[str, Any] = json.loads(tokenizer.to_str())["model"]
    model["ignore_merges"] = ignore_merges
    assert UNREACHABLE not in model["vocab"]
    model["vocab"][UNREACHABLE] = len(model["vocab"])
    return model


def gguf_keys(document: dict[str, Any], family: str) -> dict[str, Any]:
    """The tokenizer.ggml.* keys that llama.cpp's converter writes of a tokenizer.json."""
    vocab = dict(document["model"]["vocab"])
    types = dict.fromkeys(vocab, 1)
    for token in document["added_tokens"]:
        vocab[token["content"]] = token["id"]
        types[token["content"]] = 3 if token["special"] else 4
    tokens = sorted(vocab, key=vocab.__getitem__)
    merges = document["model"]["merges"]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": family,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [types[token] for token in tokens],
        "tokenizer.ggml.merges": [m if isinstance(m, str) else " ".join(m) for m in merges],
    }


def byte_level_strings(count: int, seed: int) -> Iterator[str]:
    """Texts with contractions, digits and added tokens among those of `make_strings`.

    A browser's Unicode may be newer or older than that of `tokenizers`, so characters that are
    not assigned in Python's are left out, where Unicode assigns new ones (planes 0 to 3).
    """
    extra = (*CONTRACTIONS, *USER_DEFINED, *SPECIAL, "1234567", " 12", "\u0662\u0663", " zebras",
             "\r\n\n", " \t ", "a\u0301", "\u1112\u1161\u11ab", "\ufeff ", "\x85")  # fmt: skip
    for i, text in enumerate(make_strings(count, seed)):
        text = text + extra[i % len(extra)] + text[: i % 7]
        yield "".join(c for c in text if ord(c) >= 0x40000 or unicodedata.category(c) != "Cn")
