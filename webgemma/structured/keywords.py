"""What keywords of a JSON Schema may be. web/runtime/structured/keywords.js is its twin."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from webgemma.errors import ConfigError
from webgemma.structured.numbers import Bound
from webgemma.structured.strings import quoted

MAX_COUNT = 1000
"""The most that minLength, maxLength, minItems and maxItems can be."""
ANNOTATIONS = frozenset(
    {
        *("title", "description", "default", "examples"),
        *("deprecated", "readOnly", "writeOnly", "$comment"),
    }
)
"""Keywords that say nothing about a value."""
AT_THE_ROOT = frozenset({"$schema", "$id", "$defs", "definitions"})
KEYWORDS: Mapping[str, tuple[str, ...]] = {
    "object": ("properties", "required", "additionalProperties"),
    "array": ("items", "minItems", "maxItems"),
    "string": ("minLength", "maxLength", "pattern"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    "integer": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    "boolean": (),
    "null": (),
}
"""Type -> the keywords that are enforced for it."""
ALL_TYPES = ("object", "array", "string", "number", "boolean", "null")
ALONE = ("$ref", "anyOf", "const", "enum")
"""Keywords that say everything; `type` may stand beside the last two."""
DEFINITIONS = ("#/$defs/", "#/definitions/")


def bound(
    schema: Mapping[str, Any],
    ending: str,
    path: str,
    tighter: Callable[[Iterable[Decimal]], Decimal],
) -> Bound | None:
    """The bound of `minimum` and `exclusiveMinimum`, or of the two maxima."""
    names = {f"m{ending}": False, f"exclusiveM{ending}": True}
    bounds: list[Bound] = []
    for name, is_excluded in names.items():
        value = schema.get(name)
        if name not in schema:
            continue
        if not is_number(value):
            raise wrong(f"{path}/{name}", value, "a number")
        bounds.append((Decimal(repr(value)), is_excluded))
    if not bounds:
        return None
    best = tighter(value for value, _ in bounds)
    return best, (best, True) in bounds


def check_range(schema: Mapping[str, Any], ending: str, path: str) -> tuple[int, int | None]:
    """The least and the most of `min...` and `max...`."""
    values: list[int | None] = []
    for name, default in ((f"min{ending}", 0), (f"max{ending}", None)):
        value = schema.get(name, default)
        if name in schema and not (is_of(value, "integer") and 0 <= value <= MAX_COUNT):
            raise wrong(f"{path}/{name}", value, f"an integer from 0 to {MAX_COUNT}")
        values.append(None if value is None else int(value))
    least, most = values[0] or 0, values[1]
    if most is not None and most < least:
        raise wrong(f"{path}/max{ending}", most, f"at least min{ending}, {least}")
    return least, most


def check_list(value: Any, path: str) -> list[Any]:
    """A list that is not empty."""
    if isinstance(value, list) and value:
        return value
    raise wrong(path, value, "a list that is not empty")


def check_types(value: Any, path: str) -> tuple[str, ...]:
    """The types that `type` names, one or several."""
    types = value if isinstance(value, list) else [value]
    if types and all(isinstance(name, str) and name in KEYWORDS for name in types):
        return tuple(types)
    raise wrong(f"{path}/type", value, f"one or several of {', '.join(KEYWORDS)}")


def quote(text: str, path: str) -> str:
    """A text as a string of JSON.

    Raises:
        ConfigError: it holds half a character, which no UTF-8 has.
    """
    if any(0xD800 <= ord(char) <= 0xDFFF for char in text):
        raise wrong(path, ascii(text)[1:-1], "texts without lone surrogates")
    return quoted(text).text


def is_number(value: Any) -> bool:
    """Whether a value is a number of JSON: Python's True is 1 too."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_of(value: Any, name: str) -> bool:
    """Whether a value is of a type of JSON Schema."""
    if name in ("number", "integer"):
        return is_number(value) and (name == "number" or value == int(value))
    types = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
    return isinstance(value, types[name])


def escape(name: str) -> str:
    """A name as a part of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def unescape(part: str) -> str:
    """The name that a part of a JSON pointer stands for."""
    return part.replace("~1", "/").replace("~0", "~")


def wrong(path: str, value: object, expected: str) -> ConfigError:
    """The error of a keyword that cannot have a value."""
    shown = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=repr)
    return ConfigError(f"response_format: {path} of the schema: got {shown}, expected {expected}.")
