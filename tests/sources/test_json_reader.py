from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from webgemma.errors import FormatError
from webgemma.sources.json_reader import parse_json_object, read_json_object

AGAIN = " The file is damaged or incomplete; fetch it again."


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"a": [1, -2.5, 1e-6, True, None, "é🙂"], "b": {"a": {}}},
        {"quotes": '"[{,}]"', "backslashes": "\\\\", "control": "\u0000\n"},
        {"deep": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]},
    ],
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_reads_what_json_reads(value: dict[str, Any], ascii_only: bool) -> None:
    data = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert parse_json_object("x.json", data) == value


BROKEN = {
    "empty": (b"", "byte 0: got no JSON (expecting value), expected JSON."),
    "truncated": (
        b'{"a": 1, "b',
        "byte 9: got no JSON (unterminated string starting at), expected JSON.",
    ),
    "after other characters": (
        '{"é": 1 "b"}'.encode(),
        "byte 9: got no JSON (expecting ',' delimiter), expected JSON.",
    ),
    "extra": (b"{} {}", "byte 3: got no JSON (extra data), expected JSON."),
    "not an object": (b"[1]", "byte 0: got a JSON list, expected a JSON object."),
    "a key twice": (b'{"a": 1, "a": 2}', "got the key 'a' twice, expected plain JSON."),
    "a key twice inside": (
        b'{"a": [{"b\\n": 1, "b\\n": 2}]}',
        "got the key 'b\\n' twice, expected plain JSON.",
    ),
    "NaN": (b'{"a": NaN}', "got the number NaN, expected plain JSON."),
    "infinity": (b'{"a": -Infinity}', "got the number -Infinity, expected plain JSON."),
    "overflow": (b'{"a": 1e999}', "got the number 1e999, expected plain JSON."),
    "a number of 5,000 digits": (
        b'{"a": ' + b"1" * 5_000 + b"}",
        "got an integer of 5,000 digits, expected plain JSON.",
    ),
    "a fraction of 100 digits": (
        b'{"a": 0.' + b"1" * 98 + b"}",
        "got a number of 100 characters, expected plain JSON.",
    ),
    "not UTF-8": (b'{"a": "\xff"}', "byte 7: got the byte 0xff, expected UTF-8."),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "byte 0: got the byte 0xff, expected UTF-8."),
    "half a surrogate pair": (
        b'{"a": [{"b": "\\ud800"}]}',
        "got half a surrogate pair, expected plain JSON.",
    ),
    "half a surrogate pair in a key": (
        b'{"\\udc00": 1}',
        "got half a surrogate pair, expected plain JSON.",
    ),
    "too deep": (
        b'{"a":' + b"[" * 100_000,
        "byte 36: got more than 32 JSON levels, expected at most 32.",
    ),
    "too many values": (
        b'{"a": [' + b"0," * 4_000_000 + b"0]}",
        "byte 8,000,002: got more than 4,000,000 JSON tokens, expected at most 4,000,000.",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_refuses(name: str) -> None:
    data, message = BROKEN[name]
    with pytest.raises(FormatError) as caught:
        parse_json_object("x.json", data)
    assert str(caught.value) == f"x.json: {message}{AGAIN}"


def test_offsets_count_from_the_start_of_the_file() -> None:
    with pytest.raises(FormatError) as caught:
        parse_json_object("x.json", b"{]", 8)
    assert str(caught.value) == (
        "x.json: byte 9: got no JSON (expecting property name enclosed in double quotes), "
        f"expected JSON.{AGAIN}"
    )


@pytest.mark.parametrize(
    "data",
    [
        b'{"a": "' + b'\\"' * 4_000_000,
        b'{"' + b"\\" * 8_000_001,
        b'"' * 8_000_001,
        b'{"a": ' + b"9" * 8_000_001,
    ],
    ids=["escaped quotes", "backslashes", "quotes", "digits"],
)
def test_what_has_no_end_takes_linear_time(data: bytes) -> None:
    started = time.process_time()
    with pytest.raises(FormatError):
        parse_json_object("x.json", data)
    assert time.process_time() - started < 10


def test_a_file_over_the_cap(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(b"{}" + b" " * 99)
    with pytest.raises(FormatError) as caught:
        read_json_object(path, 100)
    assert str(caught.value) == f"{path}: size: got 101 bytes, expected at most 100.{AGAIN}"
    assert read_json_object(path, 101) == {}
