"""Reading a text and cutting it, by llama-perplexity's protocol."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from tests.support.messages import message_of
from webgemma.checkpoint import TokenizerSource
from webgemma.errors import ConfigError, FormatError
from webgemma.evaluate.text import cut, encode, read_text
from webgemma.tokenizer import Tokenizer, make_tokenizer_json

BOS = 9000


def test_chunks_begin_with_bos_and_the_rest_is_left_out() -> None:
    chunks = cut([BOS, *range(1, 36)], 16, BOS)
    assert chunks.tokens.tolist() == [[BOS, *range(1, 16)], [BOS, *range(17, 32)]]
    assert (chunks.context, chunks.first_scored) == (16, 8)
    assert chunks.num_scored == 2 * 7  # positions 8 to 14 of 16 predict 9 to 15


def test_a_model_without_bos_keeps_every_token() -> None:
    chunks = cut(list(range(40)), 17, None)
    np.testing.assert_array_equal(chunks.tokens, np.arange(34).reshape(2, 17))
    assert (chunks.first_scored, chunks.num_scored) == (8, 16)


def test_the_first_chunks_only() -> None:
    assert cut(list(range(64)), 16, None, most=3).tokens.shape == (3, 16)
    assert cut(list(range(64)), 16, None, most=99).tokens.shape == (4, 16)


def test_a_text_of_less_than_two_chunks_is_refused() -> None:
    assert message_of(ConfigError, lambda: cut(list(range(1023)), 512, BOS)) == (
        "--text: got 1,023 tokens, expected at least 1,024 (2 chunks of 512). "
        "Give a longer text or a smaller --context."
    )
    assert cut(list(range(1024)), 512, BOS).num_scored == 510


def test_a_context_of_nothing_is_refused() -> None:
    assert message_of(ConfigError, lambda: cut(list(range(99)), 4, None)) == (
        "--context: got 4, expected at least 8."
    )


@pytest.fixture(scope="module")
def tokenizer(fixtures: Path) -> Tokenizer:
    source = TokenizerSource(sentencepiece=(fixtures / "tokenizer.model").read_bytes())
    return Tokenizer.from_json(make_tokenizer_json(source))


def test_control_tokens_in_a_text_are_characters_unless_asked(tokenizer: Tokenizer) -> None:
    control = min(tokenizer.control_token_ids)
    text = f"hello {tokenizer.piece(control)} world"
    plain = encode(text, tokenizer, None)
    special = encode(text, tokenizer, 2, control_tokens=True)
    assert control not in plain
    assert special.count(control) == 1
    assert special[0] == 2
    assert len(special) < len(plain)


def test_a_text_is_read_whole(tmp_path: Path) -> None:
    data = "\ufeffGrüße\r\n".encode()
    (tmp_path / "a.txt").write_bytes(data)
    text = read_text(tmp_path / "a.txt")
    assert (text.name, text.content) == ("a.txt", "Grüße\r\n")
    assert text.sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            b"abc\xff\xfe",
            "got byte 0xff at 3, expected UTF-8 text. Convert it, or give another file.",
        ),
        (b"ab\0c", "got a zero byte at 2, expected text. Give another file."),
    ],
)
def test_what_is_no_text_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(data)
    assert message_of(FormatError, lambda: read_text(path)) == f"{path}: {message}"


def test_a_missing_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none.txt"
    assert message_of(FormatError, lambda: read_text(path)) == (
        f"{path}: cannot be read: No such file or directory."
    )
