"""Opal's answers by transformers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from tokenizers import Tokenizer

from .batches import encode_prompt, normalise
from .cases import DRAWN_SIZE, MAX_NEW_TOKENS, Case
from .model import IMAGE_SIZE
from .tokenizer_json import EOS
from .world import Picture, Question, render

PICTURES_AT_ONCE = 25


def as_seen(picture: Picture) -> NDArray[np.uint8]:
    """Draw a picture and resize it as SigLIP's processor does, uint8 [size, size, 3]."""
    drawn = Image.fromarray(render(picture, DRAWN_SIZE))
    return np.asarray(drawn.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BICUBIC))


def answers_of(model: Any, tokenizer: Tokenizer, cases: Sequence[Case]) -> Iterator[str]:
    """Answer greedily with transformers, all questions of a picture in turn."""
    for start in range(0, len(cases), PICTURES_AT_ONCE):
        some = cases[start : start + PICTURES_AT_ONCE]
        pixels = normalise([as_seen(picture) for picture, _ in some])
        columns = zip(*(questions for _, questions in some), strict=True)
        answered = [_answer_all(model, tokenizer, pixels, column) for column in columns]
        for row in zip(*answered, strict=True):
            yield from row


def _answer_all(
    model: Any, tokenizer: Tokenizer, pixels: torch.Tensor, questions: Sequence[Question]
) -> list[str]:
    """The answers to one question for each picture, in groups of prompts of equal length."""
    prompts = [encode_prompt(tokenizer, question.prompt) for question in questions]
    answers = [""] * len(prompts)
    for length in sorted(set(map(len, prompts))):
        chosen = [i for i, prompt in enumerate(prompts) if len(prompt) == length]
        ids = torch.tensor([prompts[i] for i in chosen])
        with torch.inference_mode():
            output = model.generate(
                input_ids=ids, pixel_values=pixels[chosen], token_type_ids=torch.zeros_like(ids),
                attention_mask=torch.ones_like(ids), max_new_tokens=MAX_NEW_TOKENS,
                do_sample=False,
            )  # fmt: skip
        for i, new_ids in zip(chosen, output[:, length:].tolist(), strict=True):
            end = new_ids.index(EOS) if EOS in new_ids else len(new_ids)
            answers[i] = tokenizer.decode(new_ids[:end], skip_special_tokens=False)
    return answers
