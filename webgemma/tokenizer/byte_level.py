"""Byte-level BPE (GPT-2, Llama 3, Qwen): a text is cut into words, and a word into bytes.

Every byte has a character of its own, so that a vocabulary of 256 of them writes any text. How a
text is cut is a regular expression of the family; here are those that both runners implement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webgemma.errors import FormatError

LETTERS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"


@dataclass(frozen=True, slots=True)
class Rules:
    """How a family cuts a text into words."""

    patterns: tuple[str, ...]
    """Applied one after another: what a pattern matches is a word, and so is what lies between."""
    composes: bool = False
    """Whether characters are composed first (Unicode's form NFC)."""
    ignores_merges: bool = False
    """Whether a word that is a piece is not put together by merges."""


RULES: Mapping[str, Rules] = {
    "llama-bpe": Rules((LETTERS + r"|\p{N}{1,3}" + REST,), ignores_merges=True),
    "qwen2": Rules((LETTERS + r"|\p{N}" + REST,), composes=True),
    "gpt-2": Rules((GPT2 + r"|\s+",)),
    "default": Rules((r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]")),
}
"""tokenizer.ggml.pre -> its rules.

Source: the families' own tokenizer.json; "default", which a file without the key has too, is
llama.cpp's (src/llama-vocab.cpp, llm_tokenizer_bpe).
"""

SPLITTERS = frozenset(rules.patterns for rules in RULES.values())
"""What the runners implement: the patterns that a tokenizer.json may have."""


def _alphabet() -> dict[str, int]:
    """Character -> byte: printable ones stand for themselves, the others for 256 and up.

    Source: GPT-2's encoder.py, bytes_to_unicode.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in set(printable)]
    found = {chr(byte): byte for byte in printable}
    return found | {chr(256 + i): byte for i, byte in enumerate(rest)}


ALPHABET: Mapping[str, int] = _alphabet()
"""Character of a piece -> the byte it stands for."""


def piece_bytes(piece: str) -> bytes:
    """The bytes of a piece; one with a character outside the alphabet stands for its own text."""
    try:
        return bytes([ALPHABET[character] for character in piece])
    except KeyError:
        return piece.encode()


def check_alphabet(where: str, vocab: Mapping[str, int]) -> None:
    """Check that every byte is a piece, so that every text can be written.

    Raises:
        FormatError: one is not.
    """
    missing = [byte for character, byte in ALPHABET.items() if character not in vocab]
    if missing:
        raise FormatError(
            f"{where}: no piece for {len(missing)} of 256 bytes, the first 0x{min(missing):02X}, "
            "expected one for each. The file is damaged: download it again."
        )


def without_last(
    ids: Mapping[str, int], added_tokens: Sequence[Mapping[str, Any]]
) -> dict[str, int]:
    """The pieces without the added tokens that stand after all others: no merge makes those."""
    added = {token["id"] for token in added_tokens}
    count = 1 + max((index for index in ids.values() if index not in added), default=-1)
    return {piece: index for piece, index in ids.items() if index < count}


def make_byte_level_document(
    vocab: Mapping[str, int],
    merges: Sequence[str],
    added_tokens: list[dict[str, Any]],
    rules: Rules,
) -> dict[str, Any]:
    """Put the parts of a byte-level tokenizer together, every key in a fixed order.

    Args:
        vocab: piece -> id, in the order of the ids, added tokens after the last piece left out.
        merges: "left right", best first.
        added_tokens: made by `make_added_token`, in the order of the ids.
        rules: how a text is cut.

    Source: the serialization of Hugging Face's `tokenizers`.
    """
    splits = [
        {"type": "Split", "pattern": {"Regex": p}, "behavior": "Isolated", "invert": False}
        for p in rules.patterns
    ]
    byte_level = {
        "type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False,
    }  # fmt: skip
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added_tokens,
        "normalizer": {"type": "NFC"} if rules.composes else None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [*splits, byte_level]},
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": rules.ignores_merges,
            "vocab": dict(vocab),
            "merges": list(merges),
        },
    }


def is_byte_level(document: Mapping[str, Any]) -> bool:
    """Tell whether a tokenizer.json cuts into words and bytes."""
    steps = _steps(document)
    return bool(steps) and isinstance(steps[-1], Mapping) and steps[-1].get("type") == "ByteLevel"


def _steps(document: Mapping[str, Any]) -> list[Any]:
    """The steps of the pre_tokenizer: of its sequence, or itself."""
    splitter = document.get("pre_tokenizer")
    if not isinstance(splitter, Mapping):
        return []
    steps = splitter.get("pretokenizers", [splitter])
    return steps if isinstance(steps, list) else []


def rules_of(document: Mapping[str, Any]) -> Rules | None:
    """The rules of a byte-level tokenizer.json; None if the runners do not implement them."""
    *splits, last = _steps(document)
    patterns = tuple(_pattern_of(split) for split in splits)
    if last.get("use_regex", True):  # the default of `tokenizers`
        patterns = (*patterns, *RULES["gpt-2"].patterns)
    normalizer = document.get("normalizer")
    composes = normalizer == {"type": "NFC"}
    if patterns not in SPLITTERS or last.get("add_prefix_space", True):
        return None
    if normalizer is not None and not composes:
        return None
    return Rules(patterns, composes, bool(document["model"].get("ignore_merges")))


def _pattern_of(step: object) -> str:
    """The pattern of a step that makes words of what matches and of what does not, else ""."""
    expected = {"type": "Split", "behavior": "Isolated", "invert": False}
    if not isinstance(step, Mapping) or any(step.get(k) != v for k, v in expected.items()):
        return ""
    pattern = step.get("pattern")
    found = pattern.get("Regex") if isinstance(pattern, Mapping) else None
    return found if isinstance(found, str) else ""
