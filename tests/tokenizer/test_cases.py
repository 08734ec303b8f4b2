"""The vectors that web/tests/tokenizer.test.js runs too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sentencepiece

from tests.support.tiny_models import tiny_models
from webgemma.checkpoint import TokenizerSource
from webgemma.errors import ConfigError
from webgemma.tokenizer import StreamDecoder, Tokenizer, make_tokenizer_json

CASES = json.loads((Path(__file__).parents[1] / "cases" / "tokenizer.json").read_bytes())
TOKENIZERS = {
    name: Tokenizer.from_json(json.dumps(document).encode())
    for name, document in CASES["documents"].items()
}
Case = dict[str, Any]


@pytest.mark.parametrize("name", CASES["documents"])
def test_documents_are_what_the_models_become(name: str) -> None:
    source = TokenizerSource(sentencepiece=tiny_models()[name])
    assert json.loads(make_tokenizer_json(source)) == CASES["documents"][name]


@pytest.mark.parametrize("case", CASES["encode"], ids=lambda c: f"{c['document']}-{c['text']!a}")
def test_encode(case: Case) -> None:
    assert TOKENIZERS[case["document"]].encode(case["text"]) == case["ids"]


def test_expected_ids_are_those_of_sentencepiece() -> None:
    for name, model in tiny_models().items():
        reference = sentencepiece.SentencePieceProcessor()
        reference.LoadFromSerializedProto(model)
        cases = [c for c in CASES["encode"] if c["document"] == name and "_turn>" not in c["text"]]
        texts = [
            c["text"].encode("utf-16", "surrogatepass").decode("utf-16", "replace") for c in cases
        ]
        assert [reference.EncodeAsIds(text) for text in texts] == [c["ids"] for c in cases]


@pytest.mark.parametrize("case", CASES["decode"], ids=lambda c: f"{c['document']}-{c['ids']}")
def test_decode(case: Case) -> None:
    tokenizer = TOKENIZERS[case["document"]]
    skip_control = case["skip_control"]
    assert tokenizer.decode(case["ids"], skip_control=skip_control) == case["text"]
    stream = StreamDecoder(tokenizer, skip_control=skip_control)
    pushes = [stream.push(token_id) for token_id in case["ids"]]
    finish = stream.finish()
    assert "".join(pushes) + finish == case["text"]
    # The two languages end an encoded surrogate, which is no UTF-8, at different bytes.
    if "pushes" in case:
        assert (pushes, finish) == (case["pushes"], case["finish"])


@pytest.mark.parametrize("case", CASES["segments"], ids=lambda c: str(c["segments"]))
def test_encode_segments(case: Case) -> None:
    assert TOKENIZERS[case["document"]].encode_segments(case["segments"]) == case["ids"]


@pytest.mark.parametrize("case", CASES["split_control"], ids=lambda c: c["text"])
def test_split_control(case: Case) -> None:
    assert TOKENIZERS[case["document"]].split_control(case["text"]) == case["segments"]


@pytest.mark.parametrize("case", CASES["errors"], ids=lambda c: str(c["ids"]))
def test_unknown_ids_are_refused(case: Case) -> None:
    tokenizer = TOKENIZERS[case["document"]]
    with pytest.raises(ConfigError) as raised:
        tokenizer.decode(case["ids"])
    assert str(raised.value) == case["error"]
    with pytest.raises(ConfigError) as raised:
        tokenizer.encode_segments(case["ids"])
    assert str(raised.value) == case["error"]


def test_sizes_and_lookups() -> None:
    tokenizer = TOKENIZERS["gemma"]
    assert tokenizer.vocab_size == len(CASES["documents"]["gemma"]["model"]["vocab"])
    assert tokenizer.token_id("<end_of_turn>") == 5
    assert tokenizer.token_id("no such piece") is None
    assert tokenizer.piece(5) == "<end_of_turn>"
    assert tokenizer.control_token_ids == {0, 1, 2, 3, 4, 5}
