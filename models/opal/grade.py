"""Grade Opal on 500 pictures that training never saw: captions, counts, boxes.

    python -m models.opal.grade                          answer with transformers, and grade
    python -m models.opal.grade --site SITE              answer with webgemma's native runner
    python -m models.opal.grade --pictures FOLDER        the pictures and prompts.json
    python -m models.opal.grade --answers answers.json   grade another runner's answers

`prompts.json` is a list of {"id", "task", "picture", "prompt"}, `picture` a PNG file beside it;
`answers.json` is a list of {"id", "answer"}. Exit status 1 means below the bar.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from .cases import DRAWN_SIZE, MAX_NEW_TOKENS, PICTURES, SEED, Case, held_out_cases, write_cases
from .judge import Tally, judge
from .world import render

CHECKPOINT = Path("build/opal/checkpoint")
BAR = 0.9


def transformers_answers(folder: Path, cases: Sequence[Case]) -> list[str]:
    """Answer greedily with transformers, in float32, on the weights as stored."""
    import torch
    from transformers import PaliGemmaForConditionalGeneration

    from .answers import answers_of
    from .batches import load_tokenizer

    model = PaliGemmaForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    return list(answers_of(model.eval(), load_tokenizer(), cases))


def webgemma_answers(site: Path, cases: Sequence[Case]) -> Iterator[str]:
    """Answer greedily with a site that webgemma has built."""
    from webgemma.runtime.session import open_session

    with open_session(site) as session:
        for picture, questions in cases:
            pixels = render(picture, DRAWN_SIZE)
            for question in questions:
                generation = session.generate(
                    question.prompt, image=pixels, max_tokens=MAX_NEW_TOKENS
                )
                yield "".join(generation)


def read_answers(path: Path, cases: Sequence[Case]) -> list[str]:
    """Another runner's answers; one that is missing is empty."""
    rows = json.loads(path.read_text(encoding="utf-8"))
    by_id = {row["id"]: row["answer"] for row in rows}
    return [by_id.get(i, "") for i in range(sum(len(questions) for _, questions in cases))]


def report(tallies: dict[str, Tally]) -> bool:
    """Print the table; return whether the bar is met."""
    print("| task | right | of | share |\n| --- | ---: | ---: | ---: |")
    for name, tally in tallies.items():
        print(f"| {name} | {tally.right:g} | {tally.total} | {100 * tally.share:.1f} % |")
    return all(tally.share >= BAR for tally in tallies.values() if tally.has_bar)


def show(cases: Sequence[Case], answers: Sequence[str]) -> None:
    """Print every answer that is not word for word the expected one."""
    remaining = iter(answers)
    for index, (_, questions) in enumerate(cases):
        for question in questions:
            if (answer := next(remaining)) != question.answer:
                print(f"{index:03} {question.prompt!r} -> {answer!r}, not {question.answer!r}")


def main() -> int:
    """Write pictures, or grade answers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--pictures", type=Path, help="write pictures and prompts here")
    parser.add_argument("--answers", type=Path, help="grade these answers instead of making some")
    parser.add_argument("--site", type=Path, help="answer with this site")
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT)
    parser.add_argument("--number", type=int, default=PICTURES, help="how many pictures")
    parser.add_argument("--seed", type=int, default=SEED, help="draw other pictures")
    parser.add_argument("--show", action="store_true", help="print the answers that differ")
    arguments = parser.parse_args()
    cases = held_out_cases(arguments.number, arguments.seed)
    if arguments.pictures:
        write_cases(arguments.pictures, cases)
        return 0
    if arguments.answers:
        answers = read_answers(arguments.answers, cases)
    elif arguments.site:
        answers = list(webgemma_answers(arguments.site, cases))
    else:
        answers = transformers_answers(arguments.checkpoint, cases)
    if arguments.show:
        show(cases, answers)
    return 0 if report(judge(cases, answers)) else 1


if __name__ == "__main__":
    sys.exit(main())
