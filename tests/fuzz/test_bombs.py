"""Files made to exhaust memory or time: each is refused by a child that has little of both."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.raw_gguf import (
    ARCHITECTURE,
    ARRAY,
    STRING,
    U8,
    array,
    gguf_bytes,
    key_value,
    tensor_info,
    text,
)
from tests.support.raw_safetensors import safetensors_bytes

ROOT = Path(__file__).parent.parent.parent
HEADER_NBYTES = 100_000_000
OPEN = """
import resource, signal, sys
from pathlib import Path
from webgemma.errors import WebGemmaError
from webgemma.sources import open_checkpoint
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
try:
    open_checkpoint(Path(sys.argv[1]))
except WebGemmaError as error:
    print(error)
"""


def header(start: bytes, unit: bytes, end: bytes) -> bytes:
    """A safetensors file whose header is as long as may be."""
    count = (HEADER_NBYTES - len(start) - len(end)) // len(unit)
    return safetensors_bytes(start + unit * count + end)


def many_keys() -> bytes:
    """As many short strings as the caps let in, then many more."""
    tokens = array(STRING, text("ab") * 4_194_304, 4_194_304)
    return gguf_bytes([ARCHITECTURE, *(key_value(f"k{i}", ARRAY, tokens) for i in range(4))])


def many_tensors() -> bytes:
    """65,536 tensors without data."""
    infos = [tensor_info(f"t{i}", (2**20,)) for i in range(65_536)]
    return gguf_bytes(tensors=infos, data=bytes(2**20))


TOKENS = "got more than 4,000,000 JSON tokens, expected at most 4,000,000"
DECODED = "got over 268,435,456 bytes once decoded, expected less"
WIDE = text(b"x" * ((16 << 20) - 4) + "\U0001f642".encode())
BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "a wide string": (
        lambda: header(b'{"a":"', b"x", '\U0001f642"}'.encode()),
        f"JSON: {DECODED}",
    ),
    "objects": (lambda: header(b'{"a":[', b'{"a":0},', b"{}]}"), f"byte 8,000,007: {TOKENS}"),
    "long numbers": (
        lambda: header(b'{"a":[', b"9" * 4_000 + b",", b"1]}"),
        "got an integer of 4,000 digits, expected plain JSON",
    ),
    "strings": (
        lambda: header(b'{"a":[', b'"abcdefghijklmnopqrstuvwxyzabcdefghijklmnop",', b"1]}"),
        f"byte 89,999,968: {TOKENS}",
    ),
    "no strings": (lambda: header(b'{"a":[', b'""', b"]}"), f"byte 8,000,008: {TOKENS}"),
    "depth": (
        lambda: header(b'{"a":', b"[", b""),
        "byte 44: got more than 32 JSON levels, expected at most 32",
    ),
    "an unending string": (
        lambda: header(b'{"a":"', b'\\"', b""),
        "byte 13: got no JSON (unterminated string starting at), expected JSON",
    ),
    "GGUF strings": (many_keys, f"metadata, byte 46,137,091: {DECODED}"),
    "GGUF tensors": (
        many_tensors,
        "tensor 't0': data, byte 69: got bytes 2,479,328 to 6,673,632, expected an end within the "
        "file's 3,527,904 bytes",
    ),
    "GGUF strings of four bytes a character": (
        lambda: gguf_bytes([key_value(f"k{i}", STRING, WIDE) for i in range(15)]),
        f"metadata, byte 67,108,976: {DECODED}",
    ),
    "GGUF numbers": (
        lambda: gguf_bytes(
            [key_value(f"k{i}", ARRAY, array(U8, bytes(4_194_304), 4_194_304)) for i in range(70)]
        ),
        "metadata, byte 264,242,894: got over 268,435,456 bytes, expected less",
    ),
}
AGAIN = ". The file is damaged or incomplete; fetch it again."


@pytest.mark.parametrize("name", BOMBS)
def test_is_refused_within_limits(tmp_path: Path, name: str) -> None:
    make, message = BOMBS[name]
    data = make()
    if data.startswith(b"GGUF"):
        opened = path = tmp_path / "model.gguf"
    else:
        opened, path = tmp_path, tmp_path / "model.safetensors"
        (tmp_path / "config.json").write_text('{"model_type": "gemma"}')
        (tmp_path / "tokenizer.json").write_text("{}")
    path.write_bytes(data)
    del data
    done = subprocess.run(
        [sys.executable, "-c", OPEN, str(opened)],
        cwd=ROOT,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    path.unlink()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{path}: {message}{AGAIN}\n"
