"""Checks a list of merges, whichever file it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webgemma.errors import FormatError

MAX_MERGES = 1 << 23


def check_merges(where: str, merges: Any, vocab: Mapping[str, int]) -> list[str]:
    """Check that both parts and the result of every merge are pieces; return "left right" lines.

    Args:
        where: the file or key that error messages name.
        merges: "left right", or pairs of them.
        vocab: piece -> id.

    Raises:
        FormatError: it is no such list.
    """
    if not isinstance(merges, list) or len(merges) > MAX_MERGES:
        raise FormatError(f"{where}: expected a list of at most {MAX_MERGES:,} pairs.")
    lines = []
    for rank, merge in enumerate(merges):
        pair = merge.split(" ") if isinstance(merge, str) else merge
        if (
            not isinstance(pair, list)
            or len(pair) != 2
            or not all(isinstance(part, str) and part in vocab for part in pair)
            or pair[0] + pair[1] not in vocab
        ):
            raise FormatError(
                f"{where}: merge {rank} is {short(merge)}, expected two pieces "
                "whose concatenation is a piece."
            )
        lines.append(f"{pair[0]} {pair[1]}")
    return lines


def short(value: Any) -> str:
    """Quote a value from a file, at most 80 characters of it."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
