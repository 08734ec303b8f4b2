"""A made-up SPM vocabulary in the order of Gemma's, of any size, without anybody's data."""

from __future__ import annotations

import random
from dataclasses import dataclass

NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6
SPACE = "\u2581"
LONGEST_PIECE = 16
FIRST_PLACE = 256_000
"""The id of <loc0000> in PaliGemma's vocabulary: the first after Gemma's."""
_TAGS = (
    *("table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "blockquote"),
    *("strong", "em", "b", "i", "u", "s", "sub", "sup", "code"),
)
_LATIN = "etaoinshrdlcumwfgypbvkjxqz"
_SCRIPTS = (
    # (first code point, last, share of the merged pieces)
    (0x3B1, 0x3C9, 0.05),  # Greek
    (0x430, 0x44F, 0.15),  # Cyrillic
    (0x3041, 0x3096, 0.05),  # Hiragana
    (0x4E00, 0x6FFF, 0.15),  # CJK
)


@dataclass(frozen=True, slots=True)
class SpmVocabulary:
    """Pieces, scores and types as the tokenizer.ggml.* arrays hold them."""

    tokens: list[str]
    scores: list[float]
    types: list[int]


def make_vocabulary(size: int, seed: int = 0) -> SpmVocabulary:
    """Make `size` distinct pieces.

    In order: control and unused tokens (turn markers at 106 and 107), runs of newlines and
    spaces, HTML tags, all with score 0 and, but for the first four and the markers, of type
    normal as llama.cpp's converter writes them; 256 bytes; pieces that are each the
    concatenation of two others, scores 0, -1, -2, ...; and the single characters.
    """
    fixed = _fixed_pieces()
    rng = random.Random(seed)
    characters = _characters()[: max(64, (size - len(fixed)) // 4)]
    count = size - len(fixed) - len(characters)
    assert count > 0, f"got {size}, expected more than {len(fixed) + len(characters)}"
    merged = _merge(rng, characters, count, {text for text, _ in fixed})
    trained = merged + characters
    return SpmVocabulary(
        [text for text, _ in fixed] + trained,
        [0.0] * len(fixed) + [-0.0, *(-float(i) for i in range(1, len(trained)))],
        [kind for _, kind in fixed] + [NORMAL] * len(trained),
    )


def with_image_tokens(vocabulary: SpmVocabulary, first: int = FIRST_PLACE) -> SpmVocabulary:
    """The vocabulary, its pieces from `first` on PaliGemma's, of type control.

    Places, codes of masks, the image's token, then padding.
    """
    names = [f"<loc{i:04}>" for i in range(1024)] + [f"<seg{i:03}>" for i in range(128)]
    names.append("<image>")
    size = len(vocabulary.tokens)
    names += [f"[PAD{i}]" for i in range(first + len(names), size)]
    return SpmVocabulary(
        vocabulary.tokens[:first] + names,
        vocabulary.scores[:first] + [0.0] * len(names),
        vocabulary.types[:first] + [CONTROL] * len(names),
    )


def _fixed_pieces() -> list[tuple[str, int]]:
    """The pieces before the trained ones; ids as in Gemma's tokenizer."""
    pieces = [("<pad>", CONTROL), ("<eos>", CONTROL), ("<bos>", CONTROL), ("<unk>", UNKNOWN)]
    plain = ["<mask>", "<2mass>", "[@BOS@]", *(f"<unused{i}>" for i in range(99))]
    pieces += [(text, NORMAL) for text in plain]
    pieces += [("<start_of_turn>", CONTROL), ("<end_of_turn>", CONTROL)]
    runs = ["\n" * n for n in range(1, 32)] + [SPACE * n for n in range(2, 32)]
    tags = [f"<{slash}{tag}>" for slash in ("", "/") for tag in _TAGS]
    pieces += [(text, NORMAL) for text in runs + tags]
    return pieces + [(f"<0x{byte:02X}>", BYTE) for byte in range(256)]


def _characters() -> list[str]:
    """Single characters, the common ones first."""
    ascii_rest = [chr(c) for c in range(0x21, 0x7F) if chr(c) not in _LATIN]
    rest = [chr(c) for first, last, _ in _SCRIPTS for c in range(first, last + 1)]
    latin_1 = [chr(c) for c in range(0xA1, 0x180) if c != 0xAD]
    return [SPACE, *_LATIN, *ascii_rest, *latin_1, *rest]


def _merge(rng: random.Random, characters: list[str], count: int, taken: set[str]) -> list[str]:
    """Make `count` pieces, each of two that are there before it."""
    there = set(characters)
    alphabets = [[c for c in _LATIN if c in there]]
    weights = [1 - sum(share for _, _, share in _SCRIPTS)]
    for first, last, share in _SCRIPTS:
        letters = [chr(c) for c in range(first, last + 1) if chr(c) in there]
        if len(letters) > 1:
            alphabets.append(letters)
            weights.append(share)
    starts = [[SPACE, *letters] for letters in alphabets]  # what may begin a piece
    merged: list[str] = []
    seen = taken | there
    while len(merged) < count:
        script = rng.choices(range(len(alphabets)), weights)[0]
        left, right = _pick(rng, starts[script]), _pick(rng, alphabets[script])
        piece = left + right
        if len(piece) > LONGEST_PIECE or piece in seen:
            continue
        seen.add(piece)
        merged.append(piece)
        starts[script].append(piece)
        if not piece.startswith(SPACE):
            alphabets[script].append(piece)
    return merged


def _pick(rng: random.Random, pool: list[str]) -> str:
    """One of a pool, early ones more often: they are the short and common pieces."""
    return pool[int(len(pool) * rng.random() ** 2)]
