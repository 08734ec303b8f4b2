"""Which tokens begin a text and end a reply."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.tiny_models import tiny_models
from webgemma.checkpoint import Checkpoint, TokenizerSource
from webgemma.errors import FormatError
from webgemma.tokenizer import (
    SpecialTokens,
    Tokenizer,
    make_tokenizer_json,
    special_tokens,
    stop_token_ids,
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    source = TokenizerSource(sentencepiece=tiny_models()["gemma"])
    return Tokenizer.from_json(make_tokenizer_json(source))


def checkpoint(
    kind: str,
    *,
    gguf: dict[str, Any] | None = None,
    config: dict[str, Any] | None = None,
    metadata: dict[str, Any] | None = None,
    generation: dict[str, Any] | None = None,
) -> Checkpoint:
    keys = {f"tokenizer.ggml.{key}": value for key, value in (gguf or {}).items()}
    return Checkpoint(
        path=Path("model"),
        format=kind,
        files=(),
        architecture="gemma",
        metadata=metadata or {},
        tensors={},
        tokenizer=TokenizerSource(gguf=keys or None, config=config or {}),
        generation_config=generation or {},
    )


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"model": "llama"}, True),
        ({"model": "gpt2", "pre": "llama-bpe"}, True),
        ({"model": "gpt2", "pre": "qwen2"}, False),
        ({"model": "gpt2"}, False),
        ({"model": "gpt2", "pre": "qwen2", "add_bos_token": True}, True),
        ({"model": "gpt2", "pre": "llama-bpe", "add_bos_token": False}, False),
    ],
)
def test_bos_where_no_key_says(tokenizer: Tokenizer, keys: dict[str, Any], expected: bool) -> None:
    model = checkpoint("gguf", gguf={"bos_token_id": 2, **keys})
    assert special_tokens(model, tokenizer).add_bos is expected


def test_gguf_keys(tokenizer: Tokenizer) -> None:
    model = checkpoint("gguf", gguf={"bos_token_id": 2, "eos_token_id": 1, "add_bos_token": True})
    assert special_tokens(model, tokenizer) == SpecialTokens(2, 1, True, [1, 5])
    model = checkpoint("gguf", gguf={"eos_token_id": 1, "eot_token_id": 12, "add_bos_token": True})
    assert special_tokens(model, tokenizer) == SpecialTokens(None, 1, False, [1, 5, 12])
    model = checkpoint("gguf", gguf={"bos_token_id": 2, "add_bos_token": False})
    assert special_tokens(model, tokenizer) == SpecialTokens(2, None, False, [5])


def test_hugging_face_files(tokenizer: Tokenizer) -> None:
    model = checkpoint(
        "safetensors",
        metadata={"bos_token_id": 2, "eos_token_id": 1},
        generation={"eos_token_id": [1, 9], "bos_token_id": 2},
        config={"eos_token": {"content": "<eos>"}, "bos_token": "<bos>"},
    )
    assert special_tokens(model, tokenizer) == SpecialTokens(2, 1, True, [1, 5, 9])
    assert stop_token_ids(model, tokenizer) == [1, 5, 9]


def test_a_model_that_names_no_end_has_the_end_of_turn_of_its_vocabulary(
    tokenizer: Tokenizer,
) -> None:
    assert stop_token_ids(checkpoint("gguf"), tokenizer) == [5]


@pytest.mark.parametrize("value", [-1, 308, True, "1", 1.0])
def test_ids_outside_the_vocabulary_are_refused(value: Any, tokenizer: Tokenizer) -> None:
    with pytest.raises(FormatError) as raised:
        stop_token_ids(checkpoint("gguf", gguf={"eos_token_id": value}), tokenizer)
    assert str(raised.value) == (
        f"tokenizer.ggml.eos_token_id: got {value!r}, expected a token id from 0 to 307."
    )
