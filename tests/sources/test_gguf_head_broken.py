"""Every way in which the head of a GGUF file can be broken, with its whole message."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.support.raw_gguf import (
    ARCHITECTURE,
    ARRAY,
    BOOL,
    F64,
    STRING,
    U8,
    U32,
    array,
    gguf_bytes,
    key_value,
    tensor_info,
    text,
)
from webgemma.errors import FormatError, UnsupportedError, WebGemmaError
from webgemma.sources import open_checkpoint

AGAIN = " The file is damaged or incomplete; fetch it again."
CONVERT = " Convert the model again with a current llama.cpp."


def nested_array(depth: int) -> bytes:
    """Arrays of one array each."""
    payload = array(U8, bytes(1), 1)
    for _ in range(depth):
        payload = array(ARRAY, payload, 1)
    return payload


CASES: dict[str, tuple[bytes, type[WebGemmaError], str]] = {
    "empty_magic_only": (
        b"GGUF",
        FormatError,
        "version, byte 4: got the file's end after 0, expected 4 bytes." + AGAIN,
    ),
    "version_0": (
        gguf_bytes(version=0),
        UnsupportedError,
        "GGUF version 0 is not supported (have 2 and 3)." + CONVERT,
    ),
    # CVE-2025-66960
    "version_1": (
        gguf_bytes(version=1),
        UnsupportedError,
        "GGUF version 1 is not supported (have 2 and 3)." + CONVERT,
    ),
    "version_4": (
        gguf_bytes(version=4),
        UnsupportedError,
        "GGUF version 4 is not supported (have 2 and 3)." + CONVERT,
    ),
    "version_big_endian": (
        gguf_bytes(version=0x03000000),
        UnsupportedError,
        "big-endian GGUF is not supported (have little-endian)." + CONVERT,
    ),
    "tensor_count_65537": (
        gguf_bytes(num_tensors=65_537),
        FormatError,
        "tensor count, byte 8: got 65,537, expected at most 65,536." + AGAIN,
    ),
    # CVE-2024-21825 and its like
    "tensor_count_2_63": (
        gguf_bytes(num_tensors=2**63),
        FormatError,
        "tensor count, byte 8: got 9,223,372,036,854,775,808, expected at most 65,536." + AGAIN,
    ),
    "tensor_count_over_file": (
        gguf_bytes(num_tensors=1_000),
        FormatError,
        "tensor count, byte 8: got 1,000, expected at most 4 in the 144 bytes left." + AGAIN,
    ),
    "tensor_count_one_more": (
        gguf_bytes(num_tensors=2),
        FormatError,
        "name of tensor 1, byte 102: got '', expected a name of printable characters." + AGAIN,
    ),
    # CVE-2024-23605
    "key_count_2_32": (
        gguf_bytes(num_keys=2**32),
        FormatError,
        "key count, byte 16: got 4,294,967,296, expected at most 65,536." + AGAIN,
    ),
    "key_count_2_63": (
        gguf_bytes(num_keys=2**63),
        FormatError,
        "key count, byte 16: got 9,223,372,036,854,775,808, expected at most 65,536." + AGAIN,
    ),
    "key_count_max": (
        gguf_bytes(num_keys=2**64 - 1),
        FormatError,
        "key count, byte 16: got 18,446,744,073,709,551,615, expected at most 65,536." + AGAIN,
    ),
    "key_count_over_file": (
        gguf_bytes(num_keys=1_000),
        FormatError,
        "key count, byte 16: got 1,000, expected at most 9 in the 136 bytes left." + AGAIN,
    ),
    "key_count_one_more": (
        gguf_bytes(num_keys=2),
        FormatError,
        "name of tensor 0, byte 83: got '', expected a name of printable characters." + AGAIN,
    ),
    "key_length_2_62": (
        gguf_bytes([text("k", 2**62)]),
        FormatError,
        "length of key 0, byte 24: got 4,611,686,018,427,387,904, expected at most 65,535." + AGAIN,
    ),
    "key_length_over_file": (
        gguf_bytes([text("k", 5_000)]),
        FormatError,
        "length of key 0, byte 24: got 5,000, expected at most the 96 bytes left in the "
        "file." + AGAIN,
    ),
    "key_empty": (
        gguf_bytes([key_value("", U32, 1)]),
        FormatError,
        "key 0, byte 24: got '', expected a name of printable characters." + AGAIN,
    ),
    "key_control": (
        gguf_bytes([key_value("a\nb", U32, 1)]),
        FormatError,
        "key 0, byte 24: got 'a\\nb', expected a name of printable characters." + AGAIN,
    ),
    "key_not_utf8": (
        gguf_bytes([key_value(b"ab\xff", U32, 1)]),
        FormatError,
        "key 0, byte 34: got the byte 0xff, expected UTF-8." + AGAIN,
    ),
    "key_twice": (
        gguf_bytes([ARCHITECTURE, ARCHITECTURE]),
        FormatError,
        "key 'general.architecture', byte 69: got the key a second time, expected every "
        "key once." + AGAIN,
    ),
    "value_type_13": (
        gguf_bytes([text("k") + struct.pack("<I", 13) + bytes(8)]),
        FormatError,
        "type of key 'k', byte 33: got 13, expected a value type from 0 to 12." + AGAIN,
    ),
    # CVE-2024-23496
    "string_length_2_62": (
        gguf_bytes([key_value("k", STRING, text("v", 2**62))]),
        FormatError,
        "length of key 'k', byte 37: got 4,611,686,018,427,387,904, expected at most "
        "16,777,216." + AGAIN,
    ),
    "string_length_over_file": (
        gguf_bytes([key_value("k", STRING, text("v", 5_000))]),
        FormatError,
        "length of key 'k', byte 37: got 5,000, expected at most the 83 bytes left in "
        "the file." + AGAIN,
    ),
    "string_not_utf8": (
        gguf_bytes([key_value("k", STRING, text(b"v\xc3("))]),
        FormatError,
        "key 'k', byte 46: got the byte 0xc3, expected UTF-8." + AGAIN,
    ),
    "bool_2": (
        gguf_bytes([key_value("k", BOOL, b"\2")]),
        FormatError,
        "key 'k', byte 37: got 2, expected 0 or 1." + AGAIN,
    ),
    # CVE-2024-21836
    "array_length_2_62": (
        gguf_bytes([key_value("k", ARRAY, array(U8, b"", 2**62))]),
        FormatError,
        "length of key 'k', byte 41: got 4,611,686,018,427,387,904, expected at most "
        "4,194,304." + AGAIN,
    ),
    "array_length_1e9": (
        gguf_bytes([key_value("k", ARRAY, array(U8, b"", 10**9))]),
        FormatError,
        "length of key 'k', byte 41: got 1,000,000,000, expected at most 4,194,304." + AGAIN,
    ),
    "array_length_over_file": (
        gguf_bytes([key_value("k", ARRAY, array(F64, bytes(8), 1_000))]),
        FormatError,
        "length of key 'k', byte 41: got 1,000, expected at most 9 in the 79 bytes left." + AGAIN,
    ),
    "array_type_13": (
        gguf_bytes([key_value("k", ARRAY, array(13, bytes(8), 1))]),
        FormatError,
        "type of elements of key 'k', byte 37: got 13, expected a value type from 0 to 12." + AGAIN,
    ),
    # RecursionError in gguf-py
    "array_of_arrays": (
        gguf_bytes([key_value("k", ARRAY, nested_array(5_000))]),
        UnsupportedError,
        "key 'k', byte 37: an array of arrays is not supported (have arrays of numbers "
        "and strings). Remove the key and write the file again.",
    ),
    "array_bool_7": (
        gguf_bytes([key_value("k", ARRAY, array(BOOL, b"\0\1\7", 3))]),
        FormatError,
        "key 'k', byte 51: got 7, expected 0 or 1." + AGAIN,
    ),
    "array_string_not_utf8": (
        gguf_bytes([key_value("k", ARRAY, array(STRING, text("a") + text(b"\xff"), 2))]),
        FormatError,
        "key 'k'[1], byte 66: got the byte 0xff, expected UTF-8." + AGAIN,
    ),
    # CVE-2025-49847
    "token_of_2_31_bytes": (
        gguf_bytes(
            [
                ARCHITECTURE,
                key_value(
                    "tokenizer.ggml.tokens", ARRAY, array(STRING, text("a") + text("b", 2**31), 2)
                ),
            ]
        ),
        FormatError,
        "length of key 'tokenizer.ggml.tokens'[1], byte 123: got 2,147,483,648, expected "
        "at most 65,535." + AGAIN,
    ),
    "token_of_1_mb": (
        gguf_bytes(
            [
                ARCHITECTURE,
                key_value(
                    "tokenizer.ggml.tokens",
                    ARRAY,
                    array(STRING, text("a") + text("b" * 1_000_000), 2),
                ),
            ]
        ),
        FormatError,
        "length of key 'tokenizer.ggml.tokens'[1], byte 123: got 1,000,000, expected at "
        "most 65,535." + AGAIN,
    ),
    "architecture_missing": (
        gguf_bytes([key_value("k", U32, 1)]),
        FormatError,
        "key 'general.architecture': got nothing, expected a name such as 'gemma2'." + AGAIN,
    ),
    "architecture_number": (
        gguf_bytes([key_value("general.architecture", U32, 1)]),
        FormatError,
        "key 'general.architecture': got 1, expected a name such as 'gemma2'." + AGAIN,
    ),
    "architecture_path": (
        gguf_bytes([key_value("general.architecture", STRING, "../gemma")]),
        FormatError,
        "key 'general.architecture': got '../gemma', expected a name such as 'gemma2'." + AGAIN,
    ),
    "alignment_0": (
        gguf_bytes([ARCHITECTURE, key_value("general.alignment", U32, 0)]),
        FormatError,
        "key 'general.alignment': got 0, expected a power of two from 8 to 65,536." + AGAIN,
    ),
    "alignment_7": (
        gguf_bytes([ARCHITECTURE, key_value("general.alignment", U32, 7)]),
        FormatError,
        "key 'general.alignment': got 7, expected a power of two from 8 to 65,536." + AGAIN,
    ),
    "alignment_2_31": (
        gguf_bytes([ARCHITECTURE, key_value("general.alignment", U32, 2**31)]),
        FormatError,
        "key 'general.alignment': got 2147483648, expected a power of two from 8 to "
        "65,536." + AGAIN,
    ),
    "alignment_string": (
        gguf_bytes([ARCHITECTURE, key_value("general.alignment", STRING, "32")]),
        FormatError,
        "key 'general.alignment': got '32', expected a power of two from 8 to 65,536." + AGAIN,
    ),
    "alignment_inconsistent": (
        gguf_bytes(
            [ARCHITECTURE, key_value("general.alignment", U32, 64)],
            [tensor_info("a"), tensor_info("b", offset=32)],
            bytes(64),
        ),
        FormatError,
        "tensor 'b': offset, byte 160: got 32, expected a multiple of 64." + AGAIN,
    ),
    "template_too_long": (
        gguf_bytes([ARCHITECTURE, key_value("tokenizer.chat_template", STRING, "x" * 262_145)]),
        FormatError,
        "key 'tokenizer.chat_template': got 262,145 bytes, expected at most 262,144." + AGAIN,
    ),
    "template_number": (
        gguf_bytes([ARCHITECTURE, key_value("tokenizer.chat_template", U32, 1)]),
        FormatError,
        "key 'tokenizer.chat_template': got 1, expected a string." + AGAIN,
    ),
    "no_tensors": (
        gguf_bytes(tensors=[], data=b""),
        UnsupportedError,
        "the file holds no tensors, only metadata or a vocabulary. Give the file that "
        "holds the model's weights.",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_is_refused(tmp_path: Path, name: str) -> None:
    data, error, message = CASES[name]
    path = tmp_path / "bad.gguf"
    path.write_bytes(data)
    with pytest.raises(WebGemmaError) as caught:
        open_checkpoint(path)
    assert type(caught.value) is error
    assert str(caught.value) == f"{path}: {message}"
