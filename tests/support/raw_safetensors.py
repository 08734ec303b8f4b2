"""Write safetensors files byte by byte, so that every field can be wrong."""

from __future__ import annotations

import json
import struct
from typing import Any


def safetensors_bytes(
    header: dict[str, Any] | bytes, data: bytes = b"", *, header_nbytes: int | None = None
) -> bytes:
    """A whole file: the header's length (a false one if given), the header, the data."""
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    nbytes = len(encoded) if header_nbytes is None else header_nbytes
    return struct.pack("<Q", nbytes) + encoded + data


def entry(dtype: Any, shape: Any, begin: Any, end: Any) -> dict[str, Any]:
    """One tensor of a header."""
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
