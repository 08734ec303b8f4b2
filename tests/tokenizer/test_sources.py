"""What becomes of each kind of source, and what is refused with which words."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import sentencepiece

from tests.support.sentencepiece_model import (
    CONTROL,
    NORMAL,
    UNUSED,
    USER_DEFINED,
    Piece,
    base_pieces,
    field,
    write_model,
)
from tests.support.tiny_models import tiny_models, tiny_pieces
from webgemma.checkpoint import TokenizerSource
from webgemma.errors import FormatError, UnsupportedError
from webgemma.tokenizer import Tokenizer, make_tokenizer_json

FIXTURES = Path(__file__).parents[1] / "fixtures"
SPACE = "\u2581"


def convert(pieces: list[Piece], **options: Any) -> Tokenizer:
    source = TokenizerSource(sentencepiece=write_model(pieces, **options))
    return Tokenizer.from_json(make_tokenizer_json(source))


def gguf_keys(pieces: list[Piece], **keys: Any) -> dict[str, Any]:
    tokens, scores, types = (list(column) for column in zip(*pieces, strict=True))
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": scores,
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.add_space_prefix": False,
    } | {f"tokenizer.ggml.{key}": value for key, value in keys.items()}


def check(source: TokenizerSource, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as raised:
        make_tokenizer_json(source)
    assert str(raised.value) == message


def test_equal_sources_give_equal_bytes() -> None:
    for model in tiny_models().values():
        made = [make_tokenizer_json(TokenizerSource(sentencepiece=model)) for _ in range(2)]
        assert made[0] == made[1]
        assert make_tokenizer_json(TokenizerSource(tokenizer_json=made[0])) == made[0]


def test_no_source_is_refused() -> None:
    check(
        TokenizerSource(),
        FormatError,
        "tokenizer: found none, expected tokenizer.json, tokenizer.model or tokenizer.ggml.* keys. "
        "Put the model's tokenizer.model beside its weights.",
    )


# GGUF


def test_gguf_gets_back_the_user_defined_pieces_that_converters_call_normal() -> None:
    model = write_model(tiny_pieces())
    lost = [
        (piece, score, NORMAL if kind == USER_DEFINED else kind)
        for piece, score, kind in tiny_pieces()
    ]
    # Once with the sign of the first trained piece's score, -0.0, and once without.
    for first_score in (-0.0, 0.0):
        pieces = [
            (p, first_score if s == 0 and i > 264 else s, k) for i, (p, s, k) in enumerate(lost)
        ]
        assert make_tokenizer_json(TokenizerSource(gguf=gguf_keys(pieces))) == make_tokenizer_json(
            TokenizerSource(sentencepiece=model)
        )


def test_gguf_writes_the_spaces_of_user_defined_pieces_as_they_are() -> None:
    spaces = [
        (piece.replace(SPACE, " ") if kind == USER_DEFINED else piece, score, kind)
        for piece, score, kind in tiny_pieces()
    ]
    assert spaces != tiny_pieces()
    assert make_tokenizer_json(TokenizerSource(gguf=gguf_keys(spaces))) == make_tokenizer_json(
        TokenizerSource(sentencepiece=write_model(tiny_pieces()))
    )


def test_gguf_space_prefix_is_the_default() -> None:
    keys = gguf_keys(tiny_pieces())
    del keys["tokenizer.ggml.add_space_prefix"]
    assert make_tokenizer_json(TokenizerSource(gguf=keys)) == make_tokenizer_json(
        TokenizerSource(sentencepiece=write_model(tiny_pieces(), add_dummy_prefix=1))
    )


@pytest.mark.parametrize(
    ("keys", "error", "message"),
    [
        (
            {"model": "bert"},
            UnsupportedError,
            "tokenizer.ggml.model: 'bert' is not supported (have 'llama', a sentencepiece "
            "vocabulary, and 'gpt2', a byte-level one). Other kinds are planned for a later "
            "release.",
        ),
        (
            {"model": None},
            FormatError,
            "tokenizer.ggml.model: got nothing, expected a string. The file holds no tokenizer: "
            "re-export it with its vocabulary.",
        ),
        (
            {"tokens": None},
            FormatError,
            "tokenizer.ggml.tokens: got nothing, expected an array of str. The file holds no "
            "tokenizer: re-export it with its vocabulary.",
        ),
        (
            {"scores": 7},
            FormatError,
            "tokenizer.ggml.scores: got int, expected an array of float. The file holds no "
            "tokenizer: re-export it with its vocabulary.",
        ),
        (
            {"tokens": ["a", 7]},
            FormatError,
            "tokenizer.ggml.tokens: element 1 is 7, expected str.",
        ),
        (
            {"token_type": [True] * len(tiny_pieces())},
            FormatError,
            "tokenizer.ggml.token_type: element 0 is True, expected int.",
        ),
        (
            {"scores": [0.0] * 3},
            FormatError,
            f"tokenizer.ggml.tokens: got 3 scores for {len(tiny_pieces())} pieces, expected one "
            "for each. The file is damaged: download it again.",
        ),
        (
            {"tokens": [], "scores": [], "token_type": []},
            FormatError,
            "tokenizer.ggml.tokens: got 0 pieces, expected 1 to 1,048,576.",
        ),
        (
            {"add_space_prefix": "no"},
            FormatError,
            "tokenizer.ggml.add_space_prefix: got 'no', expected true or false.",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_broken_gguf_keys(keys: dict[str, Any], error: type[Exception], message: str) -> None:
    check(TokenizerSource(gguf=gguf_keys(tiny_pieces(), **keys)), error, message)


@pytest.mark.parametrize(
    ("index", "piece", "message"),
    [
        (9, ("\n", 0.0, 4), "piece 9 ('\\n') is the same as piece 6, expected every piece once."),
        (9, ("", 0.0, 4), "piece 9 has 0 characters, expected 1 to 1,024."),
        (9, ("x" * 1025, 0.0, 4), "piece 9 has 1,025 characters, expected 1 to 1,024."),
        (9, ("q", 0.0, 7), "piece 9 ('q'): got type 7, expected 1 to 6."),
        (9, ("q", float("nan"), 1), "piece 9 ('q'): got score nan, expected a finite number."),
        (9, ("q", float("inf"), 1), "piece 9 ('q'): got score inf, expected a finite number."),
        (
            12,
            ("<0xZZ>", 0.0, 6),
            "piece 12 ('<0xZZ>') has type byte, expected a name from '<0x00>' to '<0xFF>'.",
        ),
        (12, ("q", 0.0, 4), "got 255 byte pieces, expected none or all 256."),
        (3, ("<unk>", 0.0, 3), "got 0 pieces of type unknown, expected exactly 1."),
    ],
)
def test_broken_pieces(index: int, piece: Piece, message: str) -> None:
    pieces = tiny_pieces()
    pieces[index] = piece
    keys = gguf_keys(pieces)
    check(TokenizerSource(gguf=keys), FormatError, f"tokenizer.ggml.tokens: {message}")
    if piece[0] and piece[1] == 0:
        model = write_model(pieces)
        check(TokenizerSource(sentencepiece=model), FormatError, f"tokenizer.model: {message}")


# sentencepiece


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"model_type": 1},
            "tokenizer.model: model type 'unigram' is not supported (have 'bpe', which Gemma "
            "uses). Unigram models are planned for a later release.",
        ),
        (
            {"charsmap": b"\x01"},
            "tokenizer.model: the normalizer has a character map (only identity normalization is "
            "supported), which no Gemma model uses; it is planned for a later release.",
        ),
        (
            {"remove_extra_whitespaces": 1},
            "tokenizer.model: the normalizer has remove_extra_whitespaces = true, which no Gemma "
            "model uses; it is planned for a later release.",
        ),
    ],
)
def test_other_sentencepiece_models(options: dict[str, Any], message: str) -> None:
    model = write_model(tiny_pieces(), **options)
    check(TokenizerSource(sentencepiece=model), UnsupportedError, message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "tokenizer.model: model type 'unigram' is not supported (have 'bpe', which Gemma "
            "uses). Unigram models are planned for a later release."),
        (b"GGUF", "tokenizer.model: at byte 0: got protobuf wire type 7, expected 0, 1, 2 or 5. "
            "This is not a sentencepiece model."),
        (b"\x0a\xff\xff\xff\x7f", "tokenizer.model: at byte 0: a field of 268,435,455 bytes, but "
            "only 0 are left. The file is truncated: download it again."),
        (b"\x0a" + b"\xff" * 20, "tokenizer.model: at byte 1: an integer does not end. The file is "
            "truncated or not a sentencepiece model."),
        (field(1, 7), "tokenizer.model: at byte 1: a piece is an integer, expected bytes."),
        (field(1, field(2, 7)), "tokenizer.model: at byte 3: a score is not a 32-bit float."),
        (field(1, field(3, b"x")), "tokenizer.model: at byte 4: the type of a piece is bytes, "
            "expected an integer."),
        (field(1, field(1, b"\xff")), "tokenizer.model: piece 0 at byte 2 is not UTF-8: got "
            "b'\\xff'."),
    ],
)  # fmt: skip
def test_broken_sentencepiece_models(content: bytes, message: str) -> None:
    with pytest.raises((FormatError, UnsupportedError)) as raised:
        make_tokenizer_json(TokenizerSource(sentencepiece=content))
    assert str(raised.value) == message


def test_mutated_models_are_read_or_refused() -> None:
    model = (FIXTURES / "tokenizer.model").read_bytes()
    source = random.Random(11)
    refused = 0
    for _ in range(300):
        content = bytearray(model)
        for _ in range(source.randrange(1, 5)):
            content[source.randrange(len(content))] = source.randrange(256)
        del content[source.choice((len(content), source.randrange(len(content)))) :]
        try:
            made = make_tokenizer_json(TokenizerSource(sentencepiece=bytes(content)))
        except (FormatError, UnsupportedError):
            refused += 1
        else:
            Tokenizer.from_json(made).encode("the model")
    assert 100 < refused < 300


# Kinds of pieces


def test_control_texts_stay_text_and_unused_pieces_are_not_made() -> None:
    tokenizer = convert(tiny_pieces())
    controls = [tokenizer.piece(token_id) for token_id in tokenizer.control_token_ids]
    assert set(controls) == {"<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"}
    for text in [*controls, "<unused>", "<0x41>"]:
        ids = tokenizer.encode(f"a{text}b{text}")
        assert tokenizer.token_id(text) not in ids
        assert tokenizer.decode(ids) == f"a{text}b{text}"


def test_turn_markers_are_found_in_texts_by_sentencepiece_alone() -> None:
    reference = sentencepiece.SentencePieceProcessor()
    reference.LoadFromSerializedProto(write_model(tiny_pieces()))
    marker = convert(tiny_pieces()).token_id("<end_of_turn>")
    assert reference.EncodeAsIds("<end_of_turn>") == [marker]


@pytest.mark.parametrize("piece", ["x", "heab"])
def test_unused_pieces_that_a_text_could_produce_are_refused(piece: str) -> None:
    model = write_model([*tiny_pieces(), (piece, -90.0, UNUSED)])
    check(
        TokenizerSource(sentencepiece=model),
        UnsupportedError,
        f"tokenizer: piece {len(tiny_pieces())} ({piece!r}) has type unused, but a text can "
        "produce it; expected unused pieces to be padding. Give it another type.",
    )


def test_tokenizer_config_appends_renames_and_marks() -> None:
    size = len(tiny_pieces())
    config = {
        "added_tokens_decoder": {
            "11": {"content": "<|tool|>", "special": True},
            "8": {"content": "  ", "special": False},
            "10": {"content": "<think>", "special": False},
            "300": {"content": "not a trained piece", "special": False},
            "14": {"content": "<0x02>", "special": True},
            str(size): {"content": "<extra>", "special": True},
            str(size + 1): {"content": "<word>", "special": False},
        }
    }
    source = TokenizerSource(sentencepiece=write_model(tiny_pieces()), config=config)
    tokenizer = Tokenizer.from_json(make_tokenizer_json(source))
    assert tokenizer.vocab_size == size + 2
    assert tokenizer.piece(11) == "<|tool|>"
    assert {11, size} <= tokenizer.control_token_ids
    assert tokenizer.control_token_ids.isdisjoint({10, 14, size + 1})
    assert tokenizer.encode("<think>  ") == [10, 8]
    assert tokenizer.token_id("not a trained piece") is None
    assert tokenizer.encode("a<word>") == [*tokenizer.encode("a"), size + 1]
    assert size not in tokenizer.encode("<extra>")


@pytest.mark.parametrize(
    ("added", "message"),
    [
        ([], None),
        (7, "expected an object of at most 1,048,576 tokens."),
        ({"x": {"content": "a"}}, "got 'x': 'a', expected an id and an object with a 'content'."),
        ({"1": 7}, "got '1': None, expected an id and an object with a 'content'."),
        (
            {"999": {"content": "a"}},
            f"got id 999, expected at most {len(tiny_pieces())}, the next after the vocabulary. "
            "The file belongs to another tokenizer.",
        ),
        (
            {"11": {"content": "<bos>", "special": True}},
            "piece 11 ('<bos>') is the same as piece 2, expected every piece once.",
        ),
    ],
)
def test_broken_added_tokens(added: Any, message: str | None) -> None:
    config = {"added_tokens_decoder": added}
    source = TokenizerSource(sentencepiece=write_model(tiny_pieces()), config=config)
    if message is None:
        assert make_tokenizer_json(source)
    else:
        where = "tokenizer_config.json: added_tokens_decoder: "
        check(source, FormatError, where + message)


# tokenizer.json


def document(**changes: Any) -> dict[str, Any]:
    made = make_tokenizer_json(TokenizerSource(sentencepiece=write_model(tiny_pieces())))
    content: dict[str, Any] = json.loads(made)
    for path, value in changes.items():
        *parents, key = path.split("__")
        place = content
        for parent in parents:
            place = place[parent]
        place[key] = value
    return content


def test_pairs_of_merges_and_idle_splits_are_understood() -> None:
    plain = document()
    pairs = [merge.split(" ") for merge in plain["model"]["merges"]]
    split = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious"}
    other = document(
        model__merges=pairs, pre_tokenizer=split, post_processor={"type": "TemplateProcessing"}
    )
    assert json.loads(make_tokenizer_json(as_source(other))) == plain


def as_source(content: Any) -> TokenizerSource:
    return TokenizerSource(tokenizer_json=json.dumps(content).encode())


_LATER = "Other kinds are planned for a later release."


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ([], FormatError, "got no object with a 'model', expected a Hugging Face tokenizer."),
        (
            document(model__type="Unigram"),
            UnsupportedError,
            f"model type 'Unigram' is not supported (have 'BPE'). {_LATER}",
        ),
        (
            document(normalizer={"type": "NFKC"}),
            UnsupportedError,
            "the normalizer {'type': 'NFKC'} is not supported (have Replace of spaces by U+2581, "
            f"alone or after Prepend of U+2581). {_LATER}",
        ),
        (
            document(pre_tokenizer={"type": "ByteLevel"}),
            UnsupportedError,
            "the pre_tokenizer {'type': 'ByteLevel'} with the normalizer {'type': 'Replace', "
            "'pattern': {'String': ' '}, 'content': '\u2581'} is not supported (have those of "
            f"GPT-2, Llama 3 and Qwen). {_LATER}",
        ),
        (
            document(model__ignore_merges=True),
            UnsupportedError,
            f"model.ignore_merges = True is not supported (have none). {_LATER}",
        ),
        (
            document(model__vocab=[]),
            FormatError,
            "model.vocab: got list, expected 1 to 1,048,576 pieces.",
        ),
        (
            document(model__vocab__a="0"),
            FormatError,
            "model.vocab: got 'a': '0', expected a piece of 1 to 1,024 characters and an integer.",
        ),
        (
            document(model__vocab__a=3000),
            FormatError,
            f"model.vocab and added_tokens: the ids of {len(tiny_pieces())} pieces are not 0 to "
            f"{len(tiny_pieces()) - 1}, each once.",
        ),
        (
            document(added_tokens=[{"id": 1, "content": "<bos>"}]),
            FormatError,
            "added_tokens: '<bos>' has id 1, expected 2 as in model.vocab.",
        ),
        (
            document(added_tokens=[{"id": 10, "content": "<b>", "lstrip": True}]),
            UnsupportedError,
            "added token '<b>' has single_word, lstrip or rstrip, expected none of them. " + _LATER,
        ),
        (
            document(added_tokens=[7]),
            FormatError,
            "added_tokens: got 7, expected an object with 'id' and 'content'.",
        ),
        (
            document(model__unk_token="none"),
            FormatError,
            "model.unk_token: got 'none', expected a piece or null.",
        ),
        (
            document(model__merges=["a b c"]),
            FormatError,
            "model.merges: merge 0 is 'a b c', expected two pieces whose concatenation is a piece.",
        ),
        (
            document(model__merges=[["a", "q"]]),
            FormatError,
            "model.merges: merge 0 is ['a', 'q'], expected two pieces whose concatenation "
            "is a piece.",
        ),
    ],
)  # fmt: skip
def test_broken_tokenizer_json(content: Any, error: type[Exception], message: str) -> None:
    check(as_source(content), error, f"tokenizer.json: {message}")


def test_byte_fallback_needs_every_byte() -> None:
    content = document()
    content["model"]["vocab"]["<0xAF>x"] = content["model"]["vocab"].pop("<0xAF>")
    check(
        as_source(content),
        FormatError,
        "tokenizer.json: model.byte_fallback is true, but the piece <0xAF> is missing.",
    )


def test_what_is_not_json_is_refused() -> None:
    for content in (b"{", b"\xff\xfe{", b"[" * 100_000):
        with pytest.raises(FormatError, match=r"^tokenizer\.json: not valid JSON: "):
            make_tokenizer_json(TokenizerSource(tokenizer_json=content))
        with pytest.raises(FormatError, match=r"^tokenizer\.json: .* Build the site again\.$"):
            Tokenizer.from_json(content)


def test_a_user_defined_piece_may_be_looked_for_before_spaces_are_replaced() -> None:
    # As in Hugging Face's own conversions: "normalized": false matches the text as it was typed.
    content = document()
    for token in content["added_tokens"]:
        token["normalized"] = False
    tokenizer = Tokenizer.from_json(make_tokenizer_json(as_source(content)))
    run = tokenizer.token_id(SPACE * 2)
    assert tokenizer.encode(SPACE * 2) == [run]
    assert run not in tokenizer.encode("  ")


def test_control_pieces_of_a_base_vocabulary() -> None:
    tokenizer = convert([*base_pieces(), ("a", -0.0, NORMAL), ("<x>", 0.0, CONTROL)])
    assert tokenizer.control_token_ids == {0, 1, 2, 3, 261}


def test_lone_surrogates_are_refused() -> None:
    pieces = [*tiny_pieces(), ("a\ud800", -99.0, NORMAL)]
    message = "a piece holds U+D800, a lone surrogate, expected Unicode text."
    source = TokenizerSource(gguf=gguf_keys(pieces))
    check(source, FormatError, f"tokenizer.ggml.tokens: {message}")
    content = document()
    content["model"]["vocab"]["a\ud800"] = len(tiny_pieces())
    check(as_source(content), FormatError, f"tokenizer.json: {message}")


def test_mutated_documents_are_read_or_refused() -> None:
    junk = [None, True, -1, 3, 1e9, "", "a", "\ud800", [], [1], ["a", "b"], {}, {"type": "X"}]
    source = random.Random(12)
    original = json.dumps(document())
    refused = 0
    for _ in range(400):
        content = json.loads(original)
        place: Any = content
        while True:
            key = source.choice(list(place)) if isinstance(place, dict) else None
            key = source.randrange(len(place)) if key is None else key
            child = place[key]
            if not isinstance(child, dict | list) or not child or source.random() < 0.2:
                break
            place = child
        place[key] = source.choice(junk)
        try:
            made = make_tokenizer_json(as_source(content))
        except (FormatError, UnsupportedError):
            refused += 1
        else:
            Tokenizer.from_json(made).encode("the model")
    assert 80 < refused < 400
