"""Read a model's own tokenizer.json: check its shape and keep what the runners implement."""

from __future__ import annotations

import json
from typing import Any

from webgemma.errors import FormatError, UnsupportedError
from webgemma.tokenizer.byte_level import (
    check_alphabet,
    is_byte_level,
    make_byte_level_document,
    rules_of,
    without_last,
)
from webgemma.tokenizer.document import (
    PREPEND_SPACE,
    REPLACE_SPACES,
    has_space_prefix,
    make_added_token,
    make_document,
)
from webgemma.tokenizer.merges import check_merges, short
from webgemma.tokenizer.pieces import MAX_PIECE_CHARACTERS, MAX_PIECES, check_unicode

WHERE = "tokenizer.json"
MAX_NBYTES = 256 << 20
_LATER = "Other kinds are planned for a later release."


def read_tokenizer_json(content: bytes) -> dict[str, Any]:
    """Check a tokenizer.json and return it in the form that `convert.to_document` also writes.

    Raises:
        FormatError: not JSON, or ids, pieces or merges contradict each other.
        UnsupportedError: a model or normalizer that Gemma and Llama do not use.
    """
    if len(content) > MAX_NBYTES:
        raise FormatError(f"{WHERE}: got {len(content):,} bytes, expected at most {MAX_NBYTES:,}.")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{WHERE}: not valid JSON: {error}.") from error
    if not isinstance(document, dict) or not isinstance(document.get("model"), dict):
        raise FormatError(
            f"{WHERE}: got no object with a 'model', expected a Hugging Face tokenizer."
        )
    if is_byte_level(document):
        return _read_byte_level(document)
    model = document["model"]
    _check_model_kind(model, ("ignore_merges",))
    _check_steps(document)
    vocab, added = _read_pieces(document)
    _check_bytes(model, vocab)
    return make_document(
        vocab,
        check_merges(f"{WHERE}: model.merges", model.get("merges"), vocab),
        added,
        unk_token=model.get("unk_token"),
        byte_fallback=bool(model.get("byte_fallback")),
        fuse_unk=bool(model.get("fuse_unk")),
        add_space_prefix=has_space_prefix(document),
    )


def _read_byte_level(document: dict[str, Any]) -> dict[str, Any]:
    """The same of a tokenizer that cuts into words and bytes."""
    model = document["model"]
    rules = rules_of(document)
    if rules is None:
        raise UnsupportedError(
            f"{WHERE}: the pre_tokenizer {short(document['pre_tokenizer'])} with the normalizer "
            f"{short(document.get('normalizer'))} is not supported (have those of GPT-2, Llama 3 "
            f"and Qwen). {_LATER}"
        )
    _check_model_kind(model, ("byte_fallback", "unk_token"))
    vocab, added = _read_pieces(document)
    check_alphabet(f"{WHERE}: model.vocab", vocab)
    merges = check_merges(f"{WHERE}: model.merges", model.get("merges"), vocab)
    return make_byte_level_document(without_last(vocab, added), merges, added, rules)


def _read_pieces(document: dict[str, Any]) -> tuple[dict[str, int], list[dict[str, Any]]]:
    """(piece -> id in the order of the ids, added tokens among them; the added tokens)."""
    vocab = _check_vocab(document["model"].get("vocab"))
    added = _check_added(document.get("added_tokens") or [], vocab)
    _check_ids(vocab)
    check_unicode(WHERE, vocab)
    return dict(sorted(vocab.items(), key=lambda item: item[1])), added


def _check_model_kind(model: dict[str, Any], also_refused: tuple[str, ...]) -> None:
    """Refuse models that the runners do not implement."""
    kind = model.get("type", "BPE")
    if kind != "BPE":
        raise UnsupportedError(
            f"{WHERE}: model type {kind!r} is not supported (have 'BPE'). {_LATER}"
        )
    for key in ("dropout", "continuing_subword_prefix", "end_of_word_suffix", *also_refused):
        if model.get(key):
            raise UnsupportedError(
                f"{WHERE}: model.{key} = {short(model[key])} is not supported (have none). {_LATER}"
            )


def _check_steps(document: dict[str, Any]) -> None:
    """Refuse normalizers and splits that sentencepiece's models do not have."""
    normalizer = document.get("normalizer")
    steps = normalizer
    if isinstance(normalizer, dict) and normalizer.get("type") == "Sequence":
        steps = normalizer.get("normalizers")
    steps = steps if isinstance(steps, list) else [steps]
    if steps not in ([REPLACE_SPACES], [PREPEND_SPACE, REPLACE_SPACES]):
        raise UnsupportedError(
            f"{WHERE}: the normalizer {short(normalizer)} is not supported (have Replace of "
            f"spaces by U+2581, alone or after Prepend of U+2581). {_LATER}"
        )
    # After the normalizer no space is left, so that a split at spaces does nothing.
    splitter = document.get("pre_tokenizer")
    if splitter is not None and not (
        isinstance(splitter, dict)
        and splitter.get("type") == "Split"
        and splitter.get("pattern") == {"String": " "}
    ):
        raise UnsupportedError(
            f"{WHERE}: the pre_tokenizer {short(splitter)} is not supported (have none, and Split "
            f"at spaces). {_LATER}"
        )


def _check_vocab(vocab: Any) -> dict[str, int]:
    """Check that pieces are strings of sane length with distinct, non-negative ids."""
    if not isinstance(vocab, dict) or not 0 < len(vocab) <= MAX_PIECES:
        size = f"{len(vocab):,} pieces" if isinstance(vocab, dict) else type(vocab).__name__
        raise FormatError(f"{WHERE}: model.vocab: got {size}, expected 1 to {MAX_PIECES:,} pieces.")
    for piece, index in vocab.items():
        if not 0 < len(piece) <= MAX_PIECE_CHARACTERS or type(index) is not int:
            raise FormatError(
                f"{WHERE}: model.vocab: got {short(piece)}: {short(index)}, expected a piece of "
                f"1 to {MAX_PIECE_CHARACTERS:,} characters and an integer."
            )
    return dict(vocab)


def _check_added(added: Any, vocab: dict[str, int]) -> list[dict[str, Any]]:
    """Check the added tokens, and add to `vocab` those that it does not hold yet."""
    if not isinstance(added, list) or len(added) > MAX_PIECES:
        raise FormatError(
            f"{WHERE}: added_tokens: expected a list of at most {MAX_PIECES:,} tokens."
        )
    checked = []
    for token in added:
        content = token.get("content") if isinstance(token, dict) else None
        index = token.get("id") if isinstance(token, dict) else None
        if not isinstance(content, str) or type(index) is not int:
            raise FormatError(
                f"{WHERE}: added_tokens: got {short(token)}, expected an object with 'id' and "
                "'content'."
            )
        if (
            not 0 < len(content) <= MAX_PIECE_CHARACTERS
            or vocab.setdefault(content, index) != index
        ):
            raise FormatError(
                f"{WHERE}: added_tokens: {short(content)} has id {index}, expected "
                f"{vocab.get(content)} as in model.vocab."
            )
        checked.append(_checked_token(token))
    return sorted(checked, key=lambda token: int(token["id"]))


def _checked_token(token: dict[str, Any]) -> dict[str, Any]:
    """Copy one added token; the flags that look around a token only matter for matched ones."""
    is_special = token.get("special") is True
    if not is_special and any(token.get(flag) for flag in ("single_word", "lstrip", "rstrip")):
        raise UnsupportedError(
            f"{WHERE}: added token {short(token['content'])} has single_word, lstrip or rstrip, "
            f"expected none of them. {_LATER}"
        )
    return make_added_token(
        token["id"],
        token["content"],
        is_control=is_special,
        is_normalized=token.get("normalized") is True and not is_special,
    )


def _check_ids(vocab: dict[str, int]) -> None:
    """Check that the ids are 0 to the number of pieces - 1, each once."""
    if sorted(vocab.values()) != list(range(len(vocab))):
        raise FormatError(
            f"{WHERE}: model.vocab and added_tokens: the ids of {len(vocab):,} pieces are not 0 to "
            f"{len(vocab) - 1:,}, each once."
        )


def _check_bytes(model: dict[str, Any], vocab: dict[str, int]) -> None:
    """Check that the pieces for unknown characters are there."""
    unk_token = model.get("unk_token")
    if unk_token is not None and (not isinstance(unk_token, str) or unk_token not in vocab):
        raise FormatError(
            f"{WHERE}: model.unk_token: got {short(unk_token)}, expected a piece or null."
        )
    missing = [name for byte in range(256) if (name := f"<0x{byte:02X}>") not in vocab]
    if model.get("byte_fallback") and missing:
        raise FormatError(
            f"{WHERE}: model.byte_fallback is true, but the piece {missing[0]} is missing."
        )
