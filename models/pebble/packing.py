"""Turn conversations into rows of tokens: several to a row, the replies marked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

import torch
from chat import BOS, prompt_text
from sentencepiece import SentencePieceProcessor
from torch import Tensor
from world import WEIGHTS, conversation

IGNORE = -100


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows ready for training, each tensor [num_rows, row_length]."""

    token_ids: Tensor
    targets: Tensor  # the next token where it is part of a reply, else IGNORE
    segments: Tensor  # which conversation of the row a token belongs to


def encode_conversation(
    rng: Random, tokenizer: SentencePieceProcessor, *, longest: int, weights: Mapping[str, float]
) -> tuple[list[int], list[int]]:
    """Draw a conversation; return its ids and its targets, equally long."""
    ids, is_reply = [BOS], [False]
    for turn in conversation(rng, longest=longest, weights=weights):
        for text, counts in (
            (prompt_text(turn.prompt), False),
            (f"{turn.reply}<end_of_turn>", True),
            ("\n", False),
        ):
            piece_ids = tokenizer.encode(text)
            ids += piece_ids
            is_reply += [counts] * len(piece_ids)
    targets = [i if counts else IGNORE for i, counts in zip(ids, is_reply, strict=True)]
    return ids[:-1], targets[1:]


def draw_batch(
    rng: Random,
    tokenizer: SentencePieceProcessor,
    *,
    num_rows: int,
    row_length: int,
    longest: int = 4,
    weights: Mapping[str, float] = WEIGHTS,
) -> Batch:
    """Fill every row with conversations; the last one of a row is cut where the row ends."""
    rows: list[tuple[list[int], list[int], list[int]]] = []
    for _ in range(num_rows):
        row: tuple[list[int], list[int], list[int]] = ([], [], [])
        number = 0
        while len(row[0]) < row_length:
            number += 1
            ids, targets = encode_conversation(rng, tokenizer, longest=longest, weights=weights)
            row[0].extend(ids)
            row[1].extend(targets)
            row[2].extend([number] * len(ids))
        rows.append(row)
    token_ids, targets_, segments = (
        torch.tensor([values[:row_length] for values in column])
        for column in zip(*rows, strict=True)
    )
    return Batch(token_ids, targets_, segments)
