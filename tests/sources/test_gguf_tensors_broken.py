"""Every way in which tensors of a GGUF file can be described wrongly, with its whole message."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.raw_gguf import (
    gguf_bytes,
    tensor_info,
    text,
)
from webgemma.errors import FormatError, UnsupportedError, WebGemmaError
from webgemma.sources import open_checkpoint

AGAIN = " The file is damaged or incomplete; fetch it again."
CONVERT = " Convert the model again with a current llama.cpp."


CASES: dict[str, tuple[bytes, type[WebGemmaError], str]] = {
    "name_length_65": (
        gguf_bytes(tensors=[tensor_info("n" * 65)]),
        FormatError,
        "length of name of tensor 0, byte 69: got 65, expected at most 64." + AGAIN,
    ),
    "name_length_2_62": (
        gguf_bytes(tensors=[text("n", 2**62) + bytes(64)]),
        FormatError,
        "length of name of tensor 0, byte 69: got 4,611,686,018,427,387,904, expected at "
        "most 64." + AGAIN,
    ),
    "name_empty": (
        gguf_bytes(tensors=[tensor_info("")]),
        FormatError,
        "name of tensor 0, byte 69: got '', expected a name of printable characters." + AGAIN,
    ),
    "name_control": (
        gguf_bytes(tensors=[tensor_info("a\x1b[2J")]),
        FormatError,
        "name of tensor 0, byte 69: got 'a\\x1b[2J', expected a name of printable "
        "characters." + AGAIN,
    ),
    "name_not_utf8": (
        gguf_bytes(tensors=[tensor_info(b"a\xff")]),
        FormatError,
        "name of tensor 0, byte 78: got the byte 0xff, expected UTF-8." + AGAIN,
    ),
    "name_twice": (
        gguf_bytes(tensors=[tensor_info("t"), tensor_info("t", offset=32)], data=bytes(64)),
        FormatError,
        "tensor 't', byte 102: got the name a second time, expected every name once." + AGAIN,
    ),
    "dimensions_0": (
        gguf_bytes(tensors=[tensor_info("t", ())]),
        FormatError,
        "tensor 't': number of dimensions, byte 78: got 0, expected 1 to 4." + AGAIN,
    ),
    "dimensions_5": (
        gguf_bytes(tensors=[tensor_info("t", (1, 1, 1, 1, 1))]),
        FormatError,
        "tensor 't': number of dimensions, byte 78: got 5, expected 1 to 4." + AGAIN,
    ),
    # index out of range
    "dimensions_max": (
        gguf_bytes(tensors=[tensor_info("t", num_dimensions=2**32 - 1)]),
        FormatError,
        "tensor 't': number of dimensions, byte 78: got 4,294,967,295, expected 1 to 4." + AGAIN,
    ),
    # division by zero
    "size_0": (
        gguf_bytes(tensors=[tensor_info("t", (8, 0))]),
        FormatError,
        "tensor 't': dimension 1, byte 90: got 0, expected 1 to 1,280." + AGAIN,
    ),
    # CVE-2024-21802
    "size_2_31": (
        gguf_bytes(tensors=[tensor_info("t", (2**31,))]),
        FormatError,
        "tensor 't': dimension 0, byte 82: got 2,147,483,648, expected 1 to 1,280." + AGAIN,
    ),
    "size_2_63": (
        gguf_bytes(tensors=[tensor_info("t", (2**63,))]),
        FormatError,
        "tensor 't': dimension 0, byte 82: got 9,223,372,036,854,775,808, expected 1 to "
        "1,280." + AGAIN,
    ),
    "size_max": (
        gguf_bytes(tensors=[tensor_info("t", (2**64 - 1,))]),
        FormatError,
        "tensor 't': dimension 0, byte 82: got 18,446,744,073,709,551,615, expected 1 to "
        "1,280." + AGAIN,
    ),
    "sizes_overflow": (
        gguf_bytes(tensors=[tensor_info("t", (2**16,) * 4)], data=bytes(8_192)),
        FormatError,
        "tensor 't': data, byte 69: got bytes 128 to 73,786,976,294,838,206,592, "
        "expected an end within the file's 8,320 bytes." + AGAIN,
    ),
    # CVE-2026-33298
    "quant_sizes_near_2_62": (
        gguf_bytes(tensors=[tensor_info("t", (2**61, 2), kind=2)]),
        FormatError,
        "tensor 't': dimension 0, byte 82: got 2,305,843,009,213,693,952, expected 1 to "
        "1,280." + AGAIN,
    ),
    "quant_sizes_wrap": (
        gguf_bytes(
            tensors=[tensor_info("t", (2**16, 2**16, 2**16, 2**16), kind=12)], data=bytes(8_192)
        ),
        FormatError,
        "tensor 't': data, byte 69: got bytes 128 to 10,376,293,541,461,622,912, "
        "expected an end within the file's 8,320 bytes." + AGAIN,
    ),
    "row_not_of_blocks": (
        gguf_bytes(tensors=[tensor_info("t", (40,), kind=2)]),
        FormatError,
        "tensor 't': row length, byte 69: got 40, expected a multiple of 32 (blocks of "
        "Q4_0)." + AGAIN,
    ),
    "type_99": (
        gguf_bytes(tensors=[tensor_info("t", kind=99)]),
        UnsupportedError,
        "tensor 't', byte 90: GGML type 99 is not supported (have the types of "
        "llama.cpp)." + CONVERT,
    ),
    "type_removed": (
        gguf_bytes(tensors=[tensor_info("t", (32,), kind=31)]),
        UnsupportedError,
        "tensor 't', byte 90: type Q4_0_4_4 was removed from GGML and is not supported "
        "(have the types of llama.cpp)." + CONVERT,
    ),
    "offset_unaligned": (
        gguf_bytes(tensors=[tensor_info("t", offset=4)]),
        FormatError,
        "tensor 't': offset, byte 94: got 4, expected a multiple of 32." + AGAIN,
    ),
    "offset_past_end": (
        gguf_bytes(tensors=[tensor_info("t", offset=1 << 20)]),
        FormatError,
        "tensor 't': data, byte 69: got bytes 1,048,704 to 1,048,736, expected an end "
        "within the file's 160 bytes." + AGAIN,
    ),
    # GGML_PAD wraps
    "offset_pad_wrap": (
        gguf_bytes(tensors=[tensor_info("t", offset=2**64 - 32)]),
        FormatError,
        "tensor 't': data, byte 69: got bytes 18,446,744,073,709,551,712 to "
        "18,446,744,073,709,551,744, expected an end within the file's 160 bytes." + AGAIN,
    ),
    # CVE-2026-7482: never pad missing bytes
    "data_too_short": (
        gguf_bytes(tensors=[tensor_info("t", (64,))]),
        FormatError,
        "tensor 't': data, byte 69: got bytes 128 to 384, expected an end within the "
        "file's 160 bytes." + AGAIN,
    ),
    # CVE-2025-53630, CVE-2026-27940
    "sum_wraps": (
        gguf_bytes(
            tensors=[
                tensor_info(f"t{i}", (2**12, 2**12, 2**12), offset=i * 2**38) for i in range(16)
            ]
        ),
        FormatError,
        "tensor 't0': data, byte 69: got bytes 896 to 274,877,907,840, expected an end "
        "within the file's 928 bytes." + AGAIN,
    ),
    "overlap": (
        gguf_bytes(
            tensors=[tensor_info("a", (16,)), tensor_info("b", (8,), offset=32)], data=bytes(64)
        ),
        FormatError,
        "tensor 'b': data, byte 102: got a start at byte 192, expected at least 224, "
        "where another tensor ends." + AGAIN,
    ),
    "gap": (
        gguf_bytes(tensors=[tensor_info("a"), tensor_info("b", offset=64)], data=bytes(96)),
        FormatError,
        "tensor 'b': data, byte 102: got a start at byte 224, expected 192, where the "
        "data before it ends." + AGAIN,
    ),
    "trailing": (
        gguf_bytes(data=bytes(64)),
        FormatError,
        "byte 160: got 32 bytes after the last tensor, expected the file's end at byte "
        "160." + AGAIN,
    ),
    "truncated_in_head": (
        gguf_bytes()[:80],
        FormatError,
        "tensor 't', byte 78: got the file's end after 2, expected 4 bytes." + AGAIN,
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
