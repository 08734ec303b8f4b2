"""Random small vocabularies and one of Gemma's size, against sentencepiece."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import pytest
import sentencepiece

from tests.support.node import run_node
from tests.support.sentencepiece_model import random_pieces, synthetic_pieces, write_model
from webgemma.checkpoint import TokenizerSource
from webgemma.tokenizer import Tokenizer, make_tokenizer_json

NUM_PIECES = 256_000


def load(model: bytes) -> tuple[sentencepiece.SentencePieceProcessor, Tokenizer]:
    reference = sentencepiece.SentencePieceProcessor()
    reference.LoadFromSerializedProto(model)
    return reference, Tokenizer.from_json(make_tokenizer_json(TokenizerSource(sentencepiece=model)))


@pytest.mark.parametrize("alphabet", ["ab", "a\u2581", "abc\n", "abcdefgh"])
@pytest.mark.parametrize("add_dummy_prefix", [0, 1])
def test_random_vocabularies(alphabet: str, add_dummy_prefix: int) -> None:
    # Few letters and many pieces: every way to overlap and to tie comes up.
    for seed in range(40):
        source = random.Random(f"{alphabet} {seed}")
        size = source.choice((4, 8, 20, 40))
        fixed = source.choice(((), ("\u2581\u2581", "\n"), ("ab", "aba", "b\u2581a"), ("a", "aa")))
        pieces = random_pieces(source, alphabet, size, user_defined=fixed)
        reference, tokenizer = load(write_model(pieces, add_dummy_prefix=add_dummy_prefix))
        letters = alphabet.replace("\u2581", " ")
        for _ in range(100):
            text = "".join(source.choice(letters) for _ in range(source.randrange(40)))
            assert tokenizer.encode(text) == reference.EncodeAsIds(text), (pieces[4:-256], text)


@pytest.fixture(scope="module")
def large_model() -> bytes:
    return write_model(synthetic_pieces(NUM_PIECES))


def make_text(model: bytes, size: int) -> str:
    reference = sentencepiece.SentencePieceProcessor()
    reference.LoadFromSerializedProto(model)
    source = random.Random(3)
    words = [reference.IdToPiece(source.randrange(400, NUM_PIECES)) for _ in range(size // 3)]
    return "".join(words).replace("\u2581", " ")[:size]


@pytest.mark.slow
def test_a_vocabulary_of_gemmas_size_is_converted_and_read_in_seconds(
    large_model: bytes, tmp_path: Path
) -> None:
    start = time.process_time()
    content = make_tokenizer_json(TokenizerSource(sentencepiece=large_model))
    converted = time.process_time()
    tokenizer = Tokenizer.from_json(content)
    loaded = time.process_time()
    assert tokenizer.vocab_size == NUM_PIECES
    merges = len(json.loads(content)["model"]["merges"])
    print(
        f"{merges:,} merges, {len(content):,} bytes, converted in {converted - start:.1f} s, ",
        end="",
    )
    print(f"loaded in {loaded - converted:.1f} s")
    assert converted - start < 20
    assert loaded - converted < 10

    # Gemma has no pre-tokenizer: 100 kB are one word, and quadratic merging would take minutes.
    texts = [
        make_text(large_model, 100_000),
        "e" * 100_000,
        " " * 100_000,
        "<" * 100_000,
        "eta\n" * 25_000,
    ]
    reference = sentencepiece.SentencePieceProcessor()
    reference.LoadFromSerializedProto(large_model)
    expected = [list(reference.EncodeAsIds(text)) for text in texts]
    start = time.process_time()
    assert [tokenizer.encode(text) for text in texts] == expected
    assert time.process_time() - start < 2 * len(texts)

    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    script = Path(__file__).with_name("time_encode.mjs")
    page = run_node(script, {"tokenizer": str(path), "texts": texts}, tmp_path)
    print(
        "in Node, ms of processor time:",
        {key: value for key, value in page.items() if key != "ids"},
    )
    assert page["ids"] == expected
    assert page["load_ms"] < 8000  # 0.9 to 2.0 s, by the machine
    assert max(page["encode_ms"]) < 4000
