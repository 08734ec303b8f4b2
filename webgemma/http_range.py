"""The Range header of HTTP, of which one range of bytes is understood.

Source: RFC 9110, section 14.
"""

from __future__ import annotations

import re
from typing import Literal

_ONE_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def parse_range(header: str, size: int) -> tuple[int, int] | Literal["unsatisfiable"] | None:
    """Return which bytes of a file a Range header asks for.

    Args:
        header: The header's value.
        size: Bytes in the file.

    Returns:
        Start and stop (one past the last byte); "unsatisfiable" if the range lies outside the file;
        None where the header is to be ignored: not one range of bytes, or not well formed.

    >>> parse_range("bytes=2-3", 10), parse_range("bytes=-3", 10), parse_range("bytes=8-99", 10)
    ((2, 4), (7, 10), (8, 10))
    """
    match = _ONE_RANGE.fullmatch(header.strip())
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        length = min(int(match[2]), size)
        return (size - length, size) if length > 0 else "unsatisfiable"
    start = int(match[1])
    last = int(match[2]) if match[2] else size - 1
    if match[2] and last < start:
        return None
    if start >= size:
        return "unsatisfiable"
    return start, min(last + 1, size)
