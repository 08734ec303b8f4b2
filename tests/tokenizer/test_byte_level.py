"""Byte-level tokenizers: from tokenizer.json and GGUF, natively and in the page.

The reference is `tokenizers` running the family's own tokenizer.json. 4,000 texts a family by
default; WEBGEMMA_LONG=1 makes it 50,000.
"""

from __future__ import annotations

import json
import os
import unicodedata
from pathlib import Path
from typing import Any

import pytest
import tokenizers

from tests.support import llama
from tests.support.byte_level import (
    PATTERNS,
    SPECIAL,
    UNREACHABLE,
    USER_DEFINED,
    byte_level_strings,
    family_document,
    gguf_keys,
)
from tests.support.make_gguf import write_gguf
from tests.support.node import run_node
from webgemma.checkpoint import TokenizerSource
from webgemma.errors import FormatError, UnsupportedError
from webgemma.tokenizer import StreamDecoder, Tokenizer, make_tokenizer_json

COUNT = 50_000 if os.environ.get("WEBGEMMA_LONG") == "1" else 4_000


@pytest.fixture(scope="module", params=PATTERNS)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def document(family: str) -> dict[str, Any]:
    return family_document(family)


def from_json(document: dict[str, Any]) -> bytes:
    source = TokenizerSource(tokenizer_json=json.dumps(document).encode())
    return make_tokenizer_json(source)


def test_ids_are_those_of_the_family(family: str, document: dict[str, Any], tmp_path: Path) -> None:
    reference = tokenizers.Tokenizer.from_str(json.dumps(document))
    reference.encode_special_tokens = True
    texts = list(byte_level_strings(COUNT, seed=3))
    expected = [e.ids for e in reference.encode_batch(texts, add_special_tokens=False)]
    content = from_json(document)
    ours = Tokenizer.from_json(content)
    assert [ours.encode(text) for text in texts] == expected

    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    script = Path(__file__).with_name("encode.mjs")
    page = run_node(script, {"tokenizer": str(path), "texts": texts}, tmp_path)
    assert page["ids"] == expected

    # Composed characters do not come back as they were; all other texts do.
    undecoded = {i for i, text in enumerate(texts) if ours.decode(expected[i]) != text}
    assert undecoded == set(page["undecoded"])
    assert bool(undecoded) == (family == "qwen2")
    assert len(undecoded) < COUNT / 4


def test_gguf_becomes_the_same_document(family: str, document: dict[str, Any]) -> None:
    source = TokenizerSource(gguf=gguf_keys(document, family))
    assert json.loads(make_tokenizer_json(source)) == json.loads(from_json(document))


def test_ids_are_those_of_llama_cpp(family: str, document: dict[str, Any], tmp_path: Path) -> None:
    """On texts of assigned characters in composed form: llama.cpp composes nothing."""
    if why := llama.why_not():
        pytest.skip(why)
    keys = gguf_keys(document, family)
    shape = {"block_count": 1, "context_length": 8, "embedding_length": 32}
    metadata = {f"llama.{key}": value for key, value in shape.items()} | keys
    path = write_gguf(tmp_path / "vocabulary.gguf", "llama", metadata, {})
    texts = [unicodedata.normalize("NFC", t) for t in byte_level_strings(COUNT, seed=5)]
    texts = [t for t in texts if t and "Cn" not in map(unicodedata.category, t)]
    tokenizer = Tokenizer.from_json(make_tokenizer_json(TokenizerSource(gguf=keys)))
    got = llama.tokenize(path, texts)
    differ = [t for t, ids in zip(texts, got, strict=True) if ids != tokenizer.encode(t)]
    print(f"{family}: {len(differ)} of {len(texts)} differ: {[ascii(t) for t in differ[:5]]}")
    assert not differ


def test_equal_sources_give_equal_bytes(document: dict[str, Any]) -> None:
    made = from_json(document)
    assert from_json(json.loads(made)) == made


def test_a_word_that_is_a_piece(family: str, document: dict[str, Any]) -> None:
    """Llama 3 takes it whole; the others put it together by merges, which do not reach it."""
    tokenizer = Tokenizer.from_json(from_json(document))
    ids = tokenizer.encode(" zebras")
    assert (ids == [tokenizer.token_id(UNREACHABLE)]) == (family == "llama-bpe")


def test_added_tokens(document: dict[str, Any]) -> None:
    """Control tokens in a text stay text, user-defined ones are found; decoding knows both."""
    tokenizer = Tokenizer.from_json(from_json(document))
    for content in SPECIAL:
        token_id = tokenizer.token_id(content)
        assert token_id in tokenizer.control_token_ids
        assert token_id not in tokenizer.encode(f"a{content}b")
        assert tokenizer.decode([token_id]) == ""
        assert tokenizer.decode([token_id], skip_control=False) == content
    for content in USER_DEFINED:
        token_id = tokenizer.token_id(content)
        assert token_id in tokenizer.encode(f"a{content}b")
        assert tokenizer.decode([token_id]) == content


def test_streaming_holds_back_parts_of_a_character(document: dict[str, Any]) -> None:
    tokenizer = Tokenizer.from_json(from_json(document))
    text = "né 中文 👩\u200d👩\u200d👧 \U000f1234"
    ids = tokenizer.encode(text)
    stream = StreamDecoder(tokenizer)
    pushed = [stream.push(token_id) for token_id in ids]
    assert "".join(pushed) + stream.finish() == text
    assert "" in pushed  # some character takes several tokens
    assert not any("\ufffd" in part for part in pushed)


def refused(kind: type[Exception], source: TokenizerSource) -> str:
    with pytest.raises(kind) as raised:
        make_tokenizer_json(source)
    return str(raised.value)


@pytest.mark.parametrize("name", ["falcon", ["qwen2"]])
def test_gguf_with_other_rules(name: Any) -> None:
    keys = gguf_keys(family_document("qwen2"), "qwen2") | {"tokenizer.ggml.pre": name}
    assert refused(UnsupportedError, TokenizerSource(gguf=keys)) == (
        f"tokenizer.ggml.pre: {name!r} is not supported (have llama-bpe, qwen2, gpt-2, default). "
        "Other kinds are planned for a later release."
    )


def test_gguf_without_rules_has_the_default_ones() -> None:
    keys = gguf_keys(family_document("default"), "default")
    del keys["tokenizer.ggml.pre"]
    made = json.loads(make_tokenizer_json(TokenizerSource(gguf=keys)))
    assert len(made["pre_tokenizer"]["pretokenizers"]) == 5


@pytest.mark.parametrize(
    ("key", "change", "message"),
    [
        ("merges", lambda merges: [*merges, "zq zq"], "tokenizer.ggml.merges: merge 1744 is "
         "'zq zq', expected two pieces whose concatenation is a piece."),
        ("merges", lambda _: None, "tokenizer.ggml.merges: got nothing, expected an array of str. "
         "The file holds no tokenizer: re-export it with its vocabulary."),
        ("token_type", lambda types: types[1:], "tokenizer.ggml.tokens: got 2,007 types for 2,008 "
         "pieces, expected one for each. The file is damaged: download it again."),
        ("tokens", lambda tokens: ["zzz", *tokens[1:]], "tokenizer.ggml.tokens: no piece for 1 of "
         "256 bytes, the first 0x21, expected one for each. The file is damaged: download it "
         "again."),
        ("tokens", lambda tokens: [tokens[1], *tokens[1:]], "tokenizer.ggml.tokens: piece 1 ('\"') "
         "is the same as piece 0, expected every piece once."),
    ],
)  # fmt: skip
def test_broken_gguf(key: str, change: Any, message: str) -> None:
    keys = gguf_keys(family_document("qwen2"), "qwen2")
    keys[f"tokenizer.ggml.{key}"] = change(keys[f"tokenizer.ggml.{key}"])
    if key == "tokens" and "no piece" in message:
        keys["tokenizer.ggml.merges"] = []
    assert refused(FormatError, TokenizerSource(gguf=keys)) == message


@pytest.mark.parametrize("splitter", [[], {"pretokenizers": {}}, {"pretokenizers": []}])
def test_a_pre_tokenizer_that_is_none(splitter: Any) -> None:
    document = family_document("qwen2") | {"pre_tokenizer": splitter, "normalizer": None}
    source = TokenizerSource(tokenizer_json=json.dumps(document).encode())
    assert refused(UnsupportedError, source).startswith("tokenizer.json: the normalizer None is")


@pytest.mark.parametrize(
    "change",
    [
        {"normalizer": {"type": "NFKC"}},
        {"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True}},
        {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": "a+"}, "behavior": "Isolated", "invert": False},
            {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}]}},
        {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Digits"}, {"type": "ByteLevel", "add_prefix_space": False}]}},
        {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            1, {"type": "ByteLevel", "add_prefix_space": False}]}},
    ],
)  # fmt: skip
def test_other_rules_of_a_tokenizer_json(change: dict[str, Any]) -> None:
    document = family_document("qwen2") | change
    message = refused(
        UnsupportedError, TokenizerSource(tokenizer_json=json.dumps(document).encode())
    )
    assert message.endswith(
        "is not supported (have those of GPT-2, Llama 3 and Qwen). Other kinds are planned for a "
        "later release."
    )
