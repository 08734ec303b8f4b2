"""Find the tokens at which a reply ends."""

from __future__ import annotations

from typing import Any

from webgemma.checkpoint import Checkpoint
from webgemma.errors import FormatError
from webgemma.tokenizer.encode import Tokenizer

_GGUF_KEYS = ("tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id")
_END_OF_TURN = ("<end_of_turn>", "<|im_end|>", "<|eot_id|>")


def stop_token_ids(checkpoint: Checkpoint, tokenizer: Tokenizer) -> list[int]:
    """Collect end of sequence and end of turn from the metadata, the configs and the vocabulary.

    Returns:
        Ids in ascending order; empty only for a model that names no end.

    Raises:
        FormatError: the file names an id that the tokenizer does not have.
    """
    gguf = checkpoint.tokenizer.gguf or {}
    found: list[tuple[str, Any]] = [(key, gguf.get(key)) for key in _GGUF_KEYS]
    found.append(
        ("generation_config.json eos_token_id", checkpoint.generation_config.get("eos_token_id"))
    )
    if checkpoint.format != "gguf":
        found.append(("config.json eos_token_id", checkpoint.metadata.get("eos_token_id")))
    ids: set[int] = set()
    for where, value in found:
        for token_id in value if isinstance(value, list) else [value]:
            if token_id is None:
                continue
            if type(token_id) is not int or not 0 <= token_id < tokenizer.vocab_size:
                raise FormatError(
                    f"{where}: got {token_id!r}, expected a token id from 0 to "
                    f"{tokenizer.vocab_size - 1}."
                )
            ids.add(token_id)
    for piece in (*_END_OF_TURN, _eos_piece(checkpoint)):
        piece_id = tokenizer.token_id(piece)
        if piece_id in tokenizer.control_token_ids and piece_id is not None:
            ids.add(piece_id)
    return sorted(ids)


def _eos_piece(checkpoint: Checkpoint) -> str:
    """Read eos_token of tokenizer_config.json: a string, or an object with a content."""
    token = checkpoint.tokenizer.config.get("eos_token")
    if isinstance(token, dict):
        token = token.get("content")
    return token if isinstance(token, str) else ""
