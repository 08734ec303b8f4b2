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


def load_tokenizer() -> Tokenizer:
    """The tokenizer that is exported."""
    return Tokenizer.from_str(json.dumps(tokenizer_json()))


def normalise(pixels: Sequence[np.ndarray]) -> Tensor:
    """uint8 [size, size, 3] each -> float32 [num_pictures, 3, size, size]: p / 127.5 - 1."""
    return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1


def ask_all(rng: Random, picture: Picture) -> list[Question]:
    """The questions of one picture."""
    detections = [detect_question(rng, picture) for _ in range(DETECTIONS)]
    return [caption(picture), count_question(rng, picture), *detections]


def draw_batch(tokenizer: Tokenizer, *, seed: int, step: int, num_pictures: int) -> Batch:
    """The batch of this step: it depends on the seed and the step alone."""
    rng = Random(f"opal:batch:{seed}:{step}")
    first = step * num_pictures
    pictures = [picture_at(seed, first + i, held_out=False) for i in range(num_pictures)]
    softness = [rng.uniform(*SOFTNESS) for _ in pictures]
    pixels = [render(p, IMAGE_SIZE, softness=s) for p, s in zip(pictures, softness, strict=True)]
    questions = [question for picture in pictures for question in ask_all(rng, picture)]
    kinds, colours, boxes = zip(*map(_patches, pictures), strict=True)
    return Batch(
        normalise(pixels), *encode_rows(tokenizer, questions), torch.stack(kinds),
        torch.stack(colours), torch.stack(boxes),
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


def _patches(picture: Picture) -> tuple[Tensor, Tensor, Tensor]:
    """Of each patch: kind, colour and box of the thing that covers most of it."""
    covers = np.zeros((len(picture.things) + 1, NUM_PATCHES), np.float32)
    for i, thing in enumerate(picture.things):
        blocks = coverage(thing, IMAGE_SIZE).reshape(SIDE, PATCH_SIZE, SIDE, PATCH_SIZE)
        covers[i] = blocks.mean((1, 3)).ravel()
    covers[-1] = LEAST_COVER
    winners = covers.argmax(0)
    kinds = [*(KINDS.index(thing.kind) for thing in picture.things), len(KINDS)]
    colours = [*(NAMES.index(thing.colour) for thing in picture.things), len(NAMES)]
    boxes = [(t.box.y_min, t.box.x_min, t.box.y_max, t.box.x_max) for t in picture.things]
    return (
        torch.tensor(kinds)[winners],
        torch.tensor(colours)[winners],
        torch.tensor([*boxes, (0.0,) * 4])[winners],
    )
