"""Pictures and questions as tensors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from .model import IMAGE_SIZE, NUM_PATCHES, PATCH_SIZE, SIDE
from .tokenizer_json import BOS, EOS, IMAGE, PAD, tokenizer_json
from .world import (
    Picture,
    Question,
    caption,
    count_question,
    coverage,
    detect_question,
    picture_at,
    render,
)
from .world.palette import NAMES
from .world.shapes import KINDS

IGNORE = -100
SOFTNESS = (0.8, 2.0)  # pictures come from other programs too, which resize in other ways
LEAST_COVER = 0.06  # of a patch, for the thing in it to count
DETECTIONS = 2  # questions of this task for each picture; one of each of the others
QUESTIONS = DETECTIONS + 2


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures, QUESTIONS rows for each of them, and what is in their patches."""

    pixels: Tensor  # float32 [num_pictures, 3, size, size], -1 to 1
    token_ids: Tensor  # [num_rows, row_length]
    types: Tensor  # [num_rows, row_length]: 0 for image and prompt
    targets: Tensor  # [num_rows, row_length]: the next token of an answer, else IGNORE
    kinds: Tensor  # [num_pictures, num_patches]: index of the kind, len(KINDS) for none
    colours: Tensor  # [num_pictures, num_patches]
    boxes: Tensor  # float32 [num_pictures, num_patches, 4]; anything where there is no thing
    phrases: Tensor  # [num_rows, 2]: colour and kind that are asked for, or one too many for any
    ranks: Tensor  # [num_rows, num_patches]: place of the patch's thing in the answer from 1, or 0


def load_tokenizer() -> Tokenizer:
    """The tokenizer that is exported."""
    return Tokenizer.from_str(json.dumps(tokenizer_json()))


def normalise(pixels: Sequence[np.ndarray]) -> Tensor:
    """uint8 [size, size, 3] each -> float32 [num_pictures, 3, size, size]: p / 127.5 - 1."""
    return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1


def ask_all(rng: Random, picture: Picture, caption_share: float = 1.0) -> list[Question]:
    """The questions of one picture; its caption, or so often another detection."""
    has_caption = caption_share == 1 or rng.random() < caption_share
    first = caption(picture) if has_caption else detect_question(rng, picture)
    detections = [detect_question(rng, picture) for _ in range(DETECTIONS)]
    return [first, count_question(rng, picture), *detections]


def draw_batch(
    tokenizer: Tokenizer, *, seed: int, step: int, num_pictures: int, caption_share: float = 1.0
) -> Batch:
    """The batch of this step: it depends on nothing but the arguments."""
    rng = Random(f"opal:batch:{seed}:{step}")
    first = step * num_pictures
    pictures = [picture_at(seed, first + i, held_out=False) for i in range(num_pictures)]
    softness = [rng.uniform(*SOFTNESS) for _ in pictures]
    pixels = [render(p, IMAGE_SIZE, softness=s) for p, s in zip(pictures, softness, strict=True)]
    asked = [ask_all(rng, picture, caption_share) for picture in pictures]
    questions = [question for row in asked for question in row]
    winners = [_winners(picture) for picture in pictures]
    kinds, colours, boxes = zip(*map(_patches, pictures, winners), strict=True)
    ranks = [
        _ranks(question, won, len(picture.things))
        for picture, won, row in zip(pictures, winners, asked, strict=True)
        for question in row
    ]
    return Batch(
        normalise(pixels), *encode_rows(tokenizer, questions), torch.stack(kinds),
        torch.stack(colours), torch.stack(boxes),
        torch.tensor([_phrase(question) for question in questions]), torch.stack(ranks),
    )  # fmt: skip


def encode_prompt(tokenizer: Tokenizer, prompt: str) -> list[int]:
    """Image, <bos>, prompt and newline, as transformers' PaliGemmaProcessor lays them out."""
    text = tokenizer.encode(f"{prompt}\n", add_special_tokens=False).ids
    return [*[IMAGE] * NUM_PATCHES, BOS, *text]


def encode_rows(
    tokenizer: Tokenizer, questions: Sequence[Question]
) -> tuple[Tensor, Tensor, Tensor]:
    """Token ids, types and targets of questions with their answers, padded on the right."""
    ids, types, targets = [], [], []
    for question in questions:
        prompt = encode_prompt(tokenizer, question.prompt)
        answer = tokenizer.encode(question.answer, add_special_tokens=False).ids
        ids.append([*prompt, *answer])
        types.append([0] * len(prompt) + [1] * len(answer))
        targets.append([IGNORE] * (len(prompt) - 1) + [*answer, EOS])
    longest = max(map(len, ids))
    return tuple(  # type: ignore[return-value]
        torch.tensor([row + [fill] * (longest - len(row)) for row in rows])
        for rows, fill in ((ids, PAD), (types, 1), (targets, IGNORE))
    )


def _winners(picture: Picture) -> np.ndarray:
    """The number of each patch's thing, int64 [num_patches]; one more than there are for none.

    It is the one that covers most of the patch.
    """
    covers = np.zeros((len(picture.things) + 1, NUM_PATCHES), np.float32)
    for i, thing in enumerate(picture.things):
        blocks = coverage(thing, IMAGE_SIZE).reshape(SIDE, PATCH_SIZE, SIDE, PATCH_SIZE)
        covers[i] = blocks.mean((1, 3)).ravel()
    covers[-1] = LEAST_COVER
    return covers.argmax(0)


def _patches(picture: Picture, winners: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
    """Of each patch: kind, colour and box of its thing."""
    kinds = [*(KINDS.index(thing.kind) for thing in picture.things), len(KINDS)]
    colours = [*(NAMES.index(thing.colour) for thing in picture.things), len(NAMES)]
    boxes = [(t.box.y_min, t.box.x_min, t.box.y_max, t.box.x_max) for t in picture.things]
    return (
        torch.tensor(kinds)[winners],
        torch.tensor(colours)[winners],
        torch.tensor([*boxes, (0.0,) * 4])[winners],
    )


def _phrase(question: Question) -> tuple[int, int]:
    """The numbers of the colour and the kind that are asked for, or one too many for any."""
    colour, kind = question.phrase.colour, question.phrase.kind
    return (
        len(NAMES) if colour is None else NAMES.index(colour),
        len(KINDS) if kind is None else KINDS.index(kind),
    )


def _ranks(question: Question, winners: np.ndarray, num_things: int) -> Tensor:
    """The place in the answer of each patch's thing, from 1; 0 where it is not asked about."""
    ranks = np.zeros(num_things + 1, np.int64)
    ranks[list(question.asked)] = np.arange(1, len(question.asked) + 1)
    return torch.from_numpy(ranks[winners])
