"""The pictures and questions that Opal is graded on, none of which training has seen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random

from .world import Picture, Question, caption, count_question, detect_question, picture_at, render

SEED = 500
PICTURES = 500
DRAWN_SIZE = 288  # pixels; the model sees a third of it: resizing belongs to what is graded
MAX_NEW_TOKENS = 64  # five boxes take 34

Case = tuple[Picture, list[Question]]


def held_out_cases(number: int = PICTURES, seed: int = SEED) -> list[Case]:
    """Held-out pictures, each with one question of each task."""
    cases = []
    for index in range(number):
        picture = picture_at(seed, index, held_out=True)
        rng = Random(f"opal:grade:{seed}:{index}")
        questions = [caption(picture), count_question(rng, picture), detect_question(rng, picture)]
        cases.append((picture, questions))
    return cases


def write_cases(folder: Path, cases: Sequence[Case]) -> None:
    """Write the pictures as PNG files and prompts.json, for another runner."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for index, (picture, questions) in enumerate(cases):
        name = f"{index:03}.png"
        Image.fromarray(render(picture, DRAWN_SIZE)).save(folder / name)
        rows += [
            {"id": len(rows) + n, "task": q.task, "picture": name, "prompt": q.prompt}
            for n, q in enumerate(questions)
        ]
    (folder / "prompts.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
