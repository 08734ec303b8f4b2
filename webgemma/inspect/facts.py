"""Sections of text for people, and the same as JSON; values of any size in a bounded space."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sized
from dataclasses import dataclass
from typing import Any

LONGEST_VALUE = 72
"""Characters of a value that are shown."""
MOST_VALUES = 8
"""A longer list is shown by its length and its first values."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What there is to say: sections of text, and the same as JSON."""

    sections: tuple[tuple[str, str], ...]
    """Title and text of each."""
    data: Mapping[str, Any]

    def as_text(self) -> str:
        """Return the sections, each under its title."""
        return "\n\n".join(f"{title}\n{text}" for title, text in self.sections if text)


def flatten(metadata: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every key with its value; keys of a nested object behind its own and a dot."""
    for key, value in metadata.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def is_long(value: object) -> bool:
    """Return whether a value is a list too long to be shown whole."""
    is_list = isinstance(value, Sized) and not isinstance(value, str | bytes | Mapping)
    return is_list and len(value) > MOST_VALUES  # type: ignore[arg-type]


def shorten(value: Any) -> str:
    """Return a value on one line of bounded length."""
    if is_long(value):
        first = ", ".join(map(_clean, value[:3]))
        return _cut(f"[{len(value):,} values: {first}, ...]")
    return _cut(_clean(value))


def _clean(value: object) -> str:
    text = str(value)[: 8 * LONGEST_VALUE]
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 3] + "..."


def as_json(value: Any) -> Any:
    """Return a value of metadata as JSON has it; of a long list its length and beginning."""
    if is_long(value):
        return {"length": len(value), "first": [as_json(v) for v in value[:MOST_VALUES]]}
    if hasattr(value, "tolist"):  # numpy's arrays and scalars
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [as_json(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, str | int | float | None) else str(value)
