"""JSON from files that nobody vouches for: bounded in size, depth and number of values."""

from __future__ import annotations

import json
import math
import re
import sys
from pathlib import Path
from typing import Any

from webgemma.sources.files import broken, read_small, shown

MAX_JSON_NBYTES = 16 << 20
MAX_TEXT_NBYTES = 256 << 20
MAX_DEPTH = 32
MAX_TOKENS = 4_000_000
"""Strings, brackets and commas: three times what MAX_TENSORS tensors of safetensors need. They
take seconds to scan and under 500 MB as objects."""

MAX_DIGITS = 20  # of integers: 64 bits and a sign
MAX_FLOAT_LENGTH = 64  # the longest that a program writes has 24 characters

# What no token begins with, then a string (or what is left of one without an end), a comma, a
# character that opens (1) or closes (2) an array or object, or the end (3). No part is read twice:
# the scan stays linear.
_SKIPPED = re.compile(rb'[^"\[\]{},]*+')
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)'
_TOKEN = re.compile(_SKIPPED.pattern + rb"(?:" + _STRING + rb"|,|([\[{])|([\]}])|(\Z))", re.DOTALL)
_OPENS, _ENDS = 1, 3
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def read_json_object(path: Path, most: int = MAX_JSON_NBYTES) -> dict[str, Any]:
    """Read a file that holds one JSON object.

    Raises:
        FormatError: it is too large, not JSON, or not an object.
        ConfigError: it cannot be read.
    """
    return parse_json_object(str(path), read_small(path, most))


def parse_json_object(where: str, data: bytes, offset: int = 0) -> dict[str, Any]:
    """Parse one JSON object.

    Args:
        where: the file, for messages.
        data: UTF-8.
        offset: where `data` lies in the file.

    Raises:
        FormatError: not UTF-8, not JSON, a key twice, NaN or infinity, half a surrogate pair,
            nested too deeply, or too many values.
    """
    _check_structure(where, data, offset)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        got = f"the byte 0x{data[error.start]:02x}"
        raise broken(where, "", got, "UTF-8", at=offset + error.start) from error
    _check_memory(where, text)
    value = _parse(where, text, offset)
    if not isinstance(value, dict):
        raise broken(where, "", f"a JSON {type(value).__name__}", "a JSON object", at=offset)
    return value


def _parse(where: str, text: str, offset: int) -> Any:
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_short,
        )
        if _SURROGATE.search(text):
            _check_text(value)
    except json.JSONDecodeError as error:
        at = offset + len(text[: error.pos].encode())
        reason = error.msg[:1].lower() + error.msg[1:]
        raise broken(where, "", f"no JSON ({reason})", "JSON", at=at) from error
    except _RefusedError as error:
        raise broken(where, "", str(error), "plain JSON") from error
    return value


def _check_structure(where: str, data: bytes, offset: int) -> None:
    """Bound depth and number of values before any of them is made."""
    depth = 0
    for count, match in enumerate(_TOKEN.finditer(data), 1):
        kind = match.lastindex
        if kind == _ENDS:
            return
        if kind is not None:
            depth += 1 if kind == _OPENS else -1
        if depth > MAX_DEPTH or count > MAX_TOKENS:
            what, most = ("levels", MAX_DEPTH) if depth > MAX_DEPTH else ("tokens", MAX_TOKENS)
            token = _SKIPPED.match(data, match.start())
            at = offset + (token.end() if token else 0)
            raise broken(where, "", f"more than {most:,} JSON {what}", f"at most {most:,}", at=at)


def _check_memory(where: str, text: str) -> None:
    """Bound the memory of the text: one character beyond U+FFFF makes each take four bytes."""
    if sys.getsizeof(text) > MAX_TEXT_NBYTES:
        raise broken(where, "JSON", f"over {MAX_TEXT_NBYTES:,} bytes once decoded", "less")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise _RefusedError(f"the key {shown(key)} twice")
        seen.add(key)
    raise AssertionError("unreachable: fewer keys than pairs means that one is there twice")


def _refuse_constant(text: str) -> float:
    raise _RefusedError(f"the number {text}")


def _short(text: str) -> int:
    # Python takes time that grows with the square of the digits.
    if len(text) > MAX_DIGITS:
        raise _RefusedError(f"an integer of {len(text):,} digits")
    return int(text)


def _finite(text: str) -> float:
    if len(text) > MAX_FLOAT_LENGTH:
        raise _RefusedError(f"a number of {len(text):,} characters")
    value = float(text)
    if math.isinf(value):
        raise _RefusedError(f"the number {text}")
    return value


def _check_text(value: object) -> None:
    """Refuse half a surrogate pair: it cannot be written to any file."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise _RefusedError("half a surrogate pair") from error
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_text(key)
            _check_text(item)
    elif isinstance(value, list):
        for item in value:
            _check_text(item)


class _RefusedError(ValueError):
    """What a hook of the JSON parser refuses; becomes a FormatError with the file's name."""
