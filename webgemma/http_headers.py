"""Headers of HTTP that the local server reads and writes.

Source: RFC 9110, sections 8.3, 13.1.2 and 14.
"""

from __future__ import annotations

import re
from typing import Literal

MIME_TYPES = {
    ".bin": "application/octet-stream",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ts": "text/plain; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".wgsl": "text/wgsl; charset=utf-8",
    "": "text/plain; charset=utf-8",  # LICENSE, NOTICE
}

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


def etag_matches(header: str | None, etag: str) -> bool:
    """Return whether an If-None-Match header names `etag`."""
    if header is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return "*" in tags or etag in tags
