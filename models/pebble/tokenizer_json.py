"""Say the same as tokenizer.model in the words of Hugging Face's tokenizer.json.

sentencepiece keeps scores, tokenizers keeps a list of merges: every way to put a piece
together from two other pieces, best-scored piece first.

Source: transformers/convert_slow_tokenizer.py, GemmaConverter.
"""

from __future__ import annotations

from typing import Any

from chat import SPECIAL_TOKENS
from sentencepiece import SentencePieceProcessor


def list_merges(tokenizer: SentencePieceProcessor) -> list[list[str]]:
    """Return the pairs that make pieces, in the order in which to try them."""
    vocab = {tokenizer.id_to_piece(i): i for i in range(len(tokenizer))}
    ordinary = [
        (-tokenizer.get_score(i), piece)
        for piece, i in vocab.items()
        if len(piece) > 1 and not tokenizer.is_byte(i) and piece not in SPECIAL_TOKENS
    ]
    merges = []
    for _, piece in sorted(ordinary, key=lambda scored: scored[0]):
        splits = ((piece[:n], piece[n:]) for n in range(1, len(piece)))
        known = [pair for pair in splits if pair[0] in vocab and pair[1] in vocab]
        merges += [list(p) for p in sorted(known, key=lambda p: (vocab[p[0]], vocab[p[1]]))]
    return merges


def tokenizer_json(tokenizer: SentencePieceProcessor) -> dict[str, Any]:
    """Build the whole file."""
    vocab = {tokenizer.id_to_piece(i): i for i in range(len(tokenizer))}
    newlines = {piece: i for piece, i in vocab.items() if set(piece) == {"\n"}}
    added = [
        {"id": i, "content": piece, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": piece in SPECIAL_TOKENS}
        for piece, i in (SPECIAL_TOKENS | newlines).items()
    ]  # fmt: skip
    bos = {"SpecialToken": {"id": "<bos>", "type_id": 0}}
    texts = [{"Sequence": {"id": name, "type_id": number}} for number, name in enumerate("AB")]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        "pre_tokenizer": {"type": "Split", "pattern": {"String": " "},
                          "behavior": "MergedWithPrevious", "invert": False},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [bos, texts[0]],
            "pair": [bos, texts[0], {"SpecialToken": {"id": "<bos>", "type_id": 1}}, texts[1]],
            "special_tokens": {"<bos>": {"id": "<bos>", "ids": [SPECIAL_TOKENS["<bos>"]],
                                         "tokens": ["<bos>"]}},
        },
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>",
                  "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": True,
                  "byte_fallback": True, "ignore_merges": False, "vocab": vocab,
                  "merges": list_merges(tokenizer)},
    }  # fmt: skip
