"""Grade Opal on 500 pictures that training never saw: captions, counts, boxes.

    python -m models.opal.grade                              answer with transformers, and grade
    python -m models.opal.grade --pictures FOLDER            the pictures and prompts.json
    python -m models.opal.grade --answers answers.json       grade another runner's answers

`prompts.json` is a list of {"id", "task", "picture", "prompt"}, `picture` a PNG file beside it;
`answers.json` is a list of {"id", "answer"}. Exit status 1 means below the bar.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import torch
from PIL import Image
from tokenizers import Tokenizer

from .batches import encode_prompt, load_tokenizer, normalise
from .judge import Tally, judge
from .model import IMAGE_SIZE
from .tokenizer_json import EOS
from .world import Picture, Question, caption, count_question, detect_question, picture_at, render

CHECKPOINT = Path("build/opal/checkpoint")
SEED = 500
PICTURES = 500
BAR = 0.9
DRAWN_SIZE = 3 * IMAGE_SIZE  # larger than the model sees: resizing belongs to what is graded
MAX_NEW_TOKENS = 64
PICTURES_AT_ONCE = 25

Case = tuple[Picture, list[Question]]


def held_out_cases(number: int = PICTURES, seed: int = SEED) -> list[Case]:
    """Held-out pictures, each with one question of each task."""
    cases = []
    for index in range(number):
        picture = picture_at(seed, index, held_out=True)
        rng = Random(f"opal:grade:{seed}:{index}")
        cases.append(
            (picture, [caption(picture), count_question(rng, picture),
                       detect_question(rng, picture)])
        )  # fmt: skip
    return cases


def as_seen(picture: Picture) -> Any:
    """Draw a picture and resize it as SigLIP's processor does, uint8 [size, size, 3]."""
    import numpy as np

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


def grade(model: Any, tokenizer: Tokenizer, cases: Sequence[Case]) -> dict[str, Tally]:
    """Answer and judge."""
    return judge(cases, list(answers_of(model, tokenizer, cases)))


def write_pictures(folder: Path, cases: Sequence[Case]) -> None:
    """Write the pictures and prompts.json, for another runner."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for index, (picture, questions) in enumerate(cases):
        name = f"{index:03}.png"
        Image.fromarray(render(picture, DRAWN_SIZE)).save(folder / name)
        rows += [{"id": len(rows) + n, "task": q.task, "picture": name, "prompt": q.prompt}
                 for n, q in enumerate(questions)]  # fmt: skip
    (folder / "prompts.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def report(tallies: dict[str, Tally]) -> bool:
    """Print the table; return whether the bar is met."""
    print("| task | right | of | share |\n| --- | ---: | ---: | ---: |")
    for name, tally in tallies.items():
        print(f"| {name} | {tally.right:g} | {tally.total} | {100 * tally.share:.1f} % |")
    return all(tally.share >= BAR for tally in tallies.values() if tally.has_bar)


def main() -> int:
    """Write pictures, or grade answers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--pictures", type=Path, help="write pictures and prompts here")
    parser.add_argument("--answers", type=Path, help="grade these answers instead of making some")
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT)
    parser.add_argument("--number", type=int, default=PICTURES, help="how many pictures")
    parser.add_argument("--seed", type=int, default=SEED, help="draw other pictures")
    arguments = parser.parse_args()
    cases = held_out_cases(arguments.number, arguments.seed)
    if arguments.pictures:
        write_pictures(arguments.pictures, cases)
        return 0
    if arguments.answers:
        rows = json.loads(arguments.answers.read_text(encoding="utf-8"))
        by_id = {row["id"]: row["answer"] for row in rows}
        number = sum(len(questions) for _, questions in cases)
        tallies = judge(cases, [by_id.get(i, "") for i in range(number)])
    else:
        from transformers import PaliGemmaForConditionalGeneration

        model = PaliGemmaForConditionalGeneration.from_pretrained(
            arguments.checkpoint, dtype=torch.float32
        )
        tallies = grade(model.eval(), load_tokenizer(), cases)
    return 0 if report(tallies) else 1


if __name__ == "__main__":
    sys.exit(main())
