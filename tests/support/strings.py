"""Seeded texts that tokenizers disagree on, if they do."""

from __future__ import annotations

import random
from collections.abc import Iterator

CONTROL_TEXTS = (
    "<start_of_turn>", "<end_of_turn>", "<bos>", "<eos>", "<s>", "</s>", "<unk>", "<pad>", "<mask>",
    "<unused3>", "[@BOS@]", "<2mass>", "<0x41>", "<0xE2>", "<fill700>", "<start_of_turn>user\n",
    "<|im_start|>", "<start_of", "_turn>", "< end_of_turn >", "<eos",
)  # fmt: skip
EMOJI = (
    "😀", "👩‍👩‍👧‍👦", "👍🏽", "🇩🇪", "🇩", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "❤️", "❤", "1️⃣", "🧑🏿‍🚀", "\u200d", "\ufe0f", "🏽",
)  # fmt: skip
WORDS = (
    "the", "The", "river", "tree", "house", "model", "language", "water", "don't", "3.14",
    "2 + 2 = 4", "x==y", "-----", "aaaa", "hahahaha", "...", "the\u2581tree", "\u2581",
    "Ünïcödé", "naïve", "e\u0301", "ﬁ", "Ελλάδα", "Россия", "עברית", "العربية", "हिन्दी", "ไทย",
    "中文", "日本語テキスト", "한국어",
)  # fmt: skip
SPACES = (
    " ", "  ", "   ", "\n", "\n\n", "\n\n\n\n\n\n", "\t", "\r\n", " \n", "\n ", "\u00a0", "\u2003",
    "\u3000", "\u2028", "\x85", "\x1c", "\ufeff", "\x00", "\x7f", "\ufffd", "\ufffe", "\uffff",
)  # fmt: skip


def make_strings(count: int, seed: int) -> Iterator[str]:
    """Make texts of up to some 60 characters: every plane of Unicode, spaces, emoji, control text.

    Args:
        count: how many.
        seed: of the random numbers; equal seeds give equal texts.

    Yields:
        Texts without lone surrogates.
    """
    source = random.Random(seed)
    for _ in range(count):
        yield "".join(_part(source) for _ in range(source.randrange(12)))


def _part(source: random.Random) -> str:
    """Make one part of a text."""
    kind = source.randrange(8)
    if kind == 0:
        return "".join(_character(source) for _ in range(source.randrange(1, 8)))
    if kind == 1:
        return source.choice((" ", "\n", "\t", "\u2581", "-", "a")) * source.randrange(1, 45)
    if kind == 2:
        return source.choice(EMOJI)
    if kind == 3:
        return source.choice(CONTROL_TEXTS)
    if kind == 4:
        return source.choice(SPACES)
    if kind == 5:
        return "".join(chr(source.randrange(32, 127)) for _ in range(source.randrange(1, 9)))
    return source.choice(WORDS) + source.choice(("", " ", "", "\n"))


def _character(source: random.Random) -> str:
    """Pick a plane, then a code point of it, assigned or not, but no surrogate."""
    plane = source.choice((0, 0, 0, 1, 1, 2, 3, *range(4, 17)))
    while True:
        code = plane << 16 | source.randrange(1 << 16)
        if not 0xD800 <= code < 0xE000:
            return chr(code)
