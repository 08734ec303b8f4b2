"""Write GGUF files byte by byte, so that every field can be wrong."""

from __future__ import annotations

import struct
from collections.abc import Sequence

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
FORMATS = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "?",
           U64: "Q", I64: "q", F64: "d"}  # fmt: skip
ALIGNMENT = 32


def text(value: str | bytes, length: int | None = None) -> bytes:
    """A string: its length (a false one if given), then its bytes."""
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data) if length is None else length) + data


def key_value(key: str | bytes, kind: int, payload: bytes | float | str) -> bytes:
    """A key-value; a payload that is not bytes is packed as `kind`."""
    if isinstance(payload, str):
        payload = text(payload)
    elif not isinstance(payload, bytes):
        payload = struct.pack("<" + FORMATS[kind], payload)
    return text(key) + struct.pack("<I", kind) + payload


def array(kind: int, elements: bytes, count: int) -> bytes:
    """The payload of an array."""
    return struct.pack("<IQ", kind, count) + elements


def tensor_info(
    name: str | bytes,
    sizes: Sequence[int] = (8,),
    kind: int = 0,
    offset: int = 0,
    num_dimensions: int | None = None,
) -> bytes:
    """A tensor's description; sizes innermost first."""
    count = len(sizes) if num_dimensions is None else num_dimensions
    head = text(name) + struct.pack("<I", count) + struct.pack(f"<{len(sizes)}Q", *sizes)
    return head + struct.pack("<IQ", kind, offset)


ARCHITECTURE = key_value("general.architecture", STRING, "gemma")


def gguf_bytes(
    keys: Sequence[bytes] = (ARCHITECTURE,),
    tensors: Sequence[bytes] = (tensor_info("t"),),
    data: bytes = bytes(32),
    *,
    magic: bytes = b"GGUF",
    version: int = 3,
    num_tensors: int | None = None,
    num_keys: int | None = None,
    alignment: int = ALIGNMENT,
) -> bytes:
    """A whole file: head, padding, data."""
    counts = (
        len(tensors) if num_tensors is None else num_tensors,
        len(keys) if num_keys is None else num_keys,
    )
    head = magic + struct.pack("<IQQ", version, *counts) + b"".join(keys) + b"".join(tensors)
    return head + bytes(-len(head) % alignment) + data
