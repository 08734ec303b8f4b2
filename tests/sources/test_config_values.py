"""Configuration numbers of a GGUF file that parsers tripped over (CVE-2024-8063 and its like)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.raw_gguf import (
    ARCHITECTURE,
    ARRAY,
    BOOL,
    F32,
    I32,
    STRING,
    U8,
    U32,
    U64,
    array,
    gguf_bytes,
    key_value,
    text,
)
from webgemma.architectures import lower
from webgemma.errors import FormatError
from webgemma.sources import open_checkpoint
from webgemma.tokenizer import make_tokenizer_json

Value = tuple[int, bytes | float | str]
VALUES: dict[str, Value] = {
    "block_count": (U32, 2),
    "embedding_length": (U32, 256),
    "feed_forward_length": (U32, 512),
    "attention.head_count": (U32, 4),
    "attention.head_count_kv": (U32, 1),
    "attention.key_length": (U32, 64),
    "attention.layer_norm_rms_epsilon": (F32, 1e-6),
    "context_length": (U32, 512),
}
TOKENS = key_value("tokenizer.ggml.tokens", ARRAY, array(STRING, text("a") + text("b"), 2))
LAYERS, HIDDEN = "block_count", "embedding_length"
CASES: dict[str, tuple[str, Value, str]] = {
    "text": (LAYERS, (STRING, "2"), "got '2', expected an integer from 1 to 256"),
    "zero": (LAYERS, (U32, 0), "got 0, expected an integer from 1 to 256"),
    "negative": (LAYERS, (I32, -1), "got -1, expected an integer from 1 to 256"),
    "float": (LAYERS, (F32, 2.0), "got 2.0, expected an integer from 1 to 256"),
    "boolean": (LAYERS, (BOOL, True), "got True, expected an integer from 1 to 256"),
    "huge": (LAYERS, (U32, 2**32 - 1), "got 4294967295, expected an integer from 1 to 256"),
    "array": (
        LAYERS,
        (ARRAY, array(U32, bytes(8), 2)),
        "got array([0, 0], dtype=uint32), expected an integer from 1 to 256",
    ),
    "hidden size": (
        HIDDEN,
        (U64, 2**63),
        "got 9223372036854775808, expected an integer from 1 to 65536",
    ),
}


def write(path: Path, **changes: Value) -> None:
    values = {**VALUES, **changes}
    keys = [key_value(f"gemma.{name}", *value) for name, value in values.items()]
    path.write_bytes(gguf_bytes([ARCHITECTURE, TOKENS, *keys]))


@pytest.mark.parametrize("name", CASES)
def test_is_refused(tmp_path: Path, name: str) -> None:
    key, value, message = CASES[name]
    path = tmp_path / "a.gguf"
    write(path, **{key: value})
    with pytest.raises(FormatError) as caught:
        lower(open_checkpoint(path))
    assert str(caught.value) == (
        f"{path}: key 'gemma.{key}': {message}. "
        "The configuration is damaged; fetch the model again."
    )


def test_good_values_come_as_far_as_the_weights(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    write(path)
    with pytest.raises(FormatError, match=r"tensor '.*' is missing: got 1 other tensors"):
        lower(open_checkpoint(path))


def test_tokens_that_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    keys = [
        key_value("tokenizer.ggml.model", STRING, "llama"),
        key_value("tokenizer.ggml.tokens", ARRAY, array(U8, b"\1\2", 2)),
    ]
    path.write_bytes(gguf_bytes([ARCHITECTURE, *keys]))
    with pytest.raises(FormatError, match=r"tokenizer\.ggml\.tokens: element 0 is 1, expected str"):
        make_tokenizer_json(open_checkpoint(path).tokenizer)
