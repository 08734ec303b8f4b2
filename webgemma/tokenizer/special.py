"""Find the tokens at which a text begins and a reply ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webgemma.checkpoint import Checkpoint
from webgemma.errors import FormatError
from webgemma.tokenizer.piece_table import PieceTable

_END_OF_TURN = ("<end_of_turn>", "<|im_end|>", "<|eot_id|>")


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """The ids that a text starts and ends with."""

    bos_token_id: int | None
    eos_token_id: int | None
    add_bos: bool
    """Whether a text begins with BOS (true for every Gemma and Llama model)."""
    stop_token_ids: list[int]
    """Ends of a reply in ascending order: end of sequence and end of turn."""


def special_tokens(checkpoint: Checkpoint, tokenizer: PieceTable) -> SpecialTokens:
    """Collect BOS, EOS and stop tokens from GGUF keys, the configs and the vocabulary.

    Raises:
        FormatError: the model names an id that the tokenizer does not have.
    """
    gguf = checkpoint.tokenizer.gguf or {}
    config = checkpoint.tokenizer.config
    bos = _find_ids(checkpoint, tokenizer, "bos")
    eos = _find_ids(checkpoint, tokenizer, "eos")
    stop = {*eos, *_find_ids(checkpoint, tokenizer, "eot")}
    for piece in _END_OF_TURN:
        piece_id = tokenizer.token_id(piece)
        if piece_id is not None and piece_id in tokenizer.control_token_ids:
            stop.add(piece_id)
    add_bos = gguf.get("tokenizer.ggml.add_bos_token", config.get("add_bos_token"))
    if add_bos is None:
        add_bos = _adds_bos_by_default(gguf)
    return SpecialTokens(
        bos_token_id=bos[0] if bos else None,
        eos_token_id=eos[0] if eos else None,
        add_bos=bool(add_bos) and bool(bos),
        stop_token_ids=sorted(stop),
    )


def _adds_bos_by_default(gguf: Mapping[str, Any]) -> bool:
    """What no key says: of byte-level GGUF files only Llama 3's begin a text with BOS.

    Source: llama.cpp src/llama-vocab.cpp, llama_vocab::impl::load.
    """
    is_byte_level = gguf.get("tokenizer.ggml.model") == "gpt2"
    return not is_byte_level or gguf.get("tokenizer.ggml.pre") == "llama-bpe"


def stop_token_ids(checkpoint: Checkpoint, tokenizer: PieceTable) -> list[int]:
    """Return the ids that end a reply, ascending (see `special_tokens`)."""
    return special_tokens(checkpoint, tokenizer).stop_token_ids


def _find_ids(checkpoint: Checkpoint, tokenizer: PieceTable, name: str) -> list[int]:
    """List the ids that any file of the model names for "bos", "eos" or "eot", best file first."""
    key = f"{name}_token_id"
    found: list[tuple[str, Any]] = [
        (f"tokenizer.ggml.{key}", (checkpoint.tokenizer.gguf or {}).get(f"tokenizer.ggml.{key}")),
        (f"tokenizer_config.json: {name}_token", _config_id(checkpoint, tokenizer, name)),
        (f"generation_config.json: {key}", checkpoint.generation_config.get(key)),
    ]
    if checkpoint.format != "gguf":
        found.append((f"config.json: {key}", checkpoint.metadata.get(key)))
    ids: list[int] = []
    for where, value in found:
        for token_id in value if isinstance(value, list) else [value]:
            if token_id is None or token_id in ids:
                continue
            if type(token_id) is not int or not 0 <= token_id < tokenizer.vocab_size:
                raise FormatError(
                    f"{where}: got {token_id!r:.80}, expected a token id from 0 to "
                    f"{tokenizer.vocab_size - 1}."
                )
            ids.append(token_id)
    return ids


def _config_id(checkpoint: Checkpoint, tokenizer: PieceTable, name: str) -> int | None:
    """Look up bos_token or eos_token of tokenizer_config.json: a string, or an object."""
    token = checkpoint.tokenizer.config.get(f"{name}_token")
    if isinstance(token, Mapping):
        token = token.get("content")
    return tokenizer.token_id(token) if isinstance(token, str) else None
