"""Opal's tokenizer, in the words of Hugging Face's tokenizer.json: BPE that builds whole words.

Every word of the world is a piece, and so is every beginning of one: merges add a letter at a time.
Other words fall into beginnings and letters, and what is no ASCII letter into <unk>. Words after a
space merge first, so that the beginnings of a text never cut into them.

Source of the form: google/paligemma-3b-mix-224, tokenizer.json (Gemma's BPE, then <image>,
<loc0000> to <loc1023>); here the special tokens have the low ids.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator
from typing import Any

from .world.questions import BINS, single_characters, vocabulary

SPACE = "▁"
CONTROL = ("<pad>", "<eos>", "<bos>", "<unk>", "<image>")
PAD, EOS, BOS, UNK, IMAGE = range(len(CONTROL))
FIRST_LOCATION = len(CONTROL)
LOCATIONS = tuple(f"<loc{place:04}>" for place in range(BINS))
NEWLINE = "\n"
VOCAB_MULTIPLE = 64  # rows of the head: whole workgroups


def merge_chain(word: str) -> Iterator[tuple[str, str]]:
    """The merges that build a word from its first letter."""
    for end in range(1, len(word)):
        yield word[:end], word[end]


def list_merges() -> list[tuple[str, str]]:
    """All merges, in the order in which they are tried."""
    inner, first = vocabulary()
    words = [*(SPACE + word for word in inner), f"{SPACE};{SPACE}"]
    words += sorted(first, key=len, reverse=True)
    return list(dict.fromkeys(merge for word in words for merge in merge_chain(word)))


def list_pieces() -> list[str]:
    """Every piece, by its id."""
    letters = string.ascii_letters + string.digits + string.punctuation
    pieces = [*CONTROL, *LOCATIONS, NEWLINE, SPACE, *single_characters(), *letters]
    pieces += [left + right for left, right in list_merges()]
    pieces = list(dict.fromkeys(pieces))
    spare = -len(pieces) % VOCAB_MULTIPLE
    return [*pieces, *(f"<unused{n}>" for n in range(spare))]


def tokenizer_json() -> dict[str, Any]:
    """Build the whole file."""
    vocab = {piece: i for i, piece in enumerate(list_pieces())}
    bos = {"SpecialToken": {"id": "<bos>", "type_id": 0}}
    texts = [{"Sequence": {"id": name, "type_id": number}} for number, name in enumerate("AB")]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": list(_added(vocab, (*CONTROL, *LOCATIONS, NEWLINE))),
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": SPACE},
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [bos, texts[0]],
            "pair": [bos, *texts],
            "special_tokens": {"<bos>": {"id": "<bos>", "ids": [BOS], "tokens": ["<bos>"]}},
        },
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": SPACE}, "content": " "}, {"type": "Fuse"}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>",
                  "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": True,
                  "byte_fallback": False, "ignore_merges": False, "vocab": vocab,
                  "merges": [list(merge) for merge in list_merges()]},
    }  # fmt: skip


def _added(vocab: dict[str, int], pieces: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Tokens that are found in a text before anything else is; only control tokens are special."""
    for piece in pieces:
        yield {"id": vocab[piece], "content": piece, "single_word": False, "lstrip": False,
               "rstrip": False, "normalized": False, "special": piece in CONTROL}  # fmt: skip
