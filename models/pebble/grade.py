"""Grade Pebble on 300 prompts that training never saw.

    python models/pebble/grade.py                          reply with transformers, and grade
    python models/pebble/grade.py --prompts > prompts.json the prompts, for another runner
    python models/pebble/grade.py --replies replies.json   grade that runner's replies

`prompts.json` is a list of {"id", "category", "prompt"}; `replies.json` is a list of
{"id", "reply"}. Exit status 1 means below the bar.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

from judge import fault
from world import Exchange, draw_held_out, normalise

CHECKPOINT = Path(__file__).parent / "checkpoint"
SEED = 300
COUNTS = {"greetings": 30, "itself": 35, "colours": 35, "counting": 35, "sums": 40,
          "differences": 30, "opposites": 25, "days": 30, "stories": 25, "outside": 15}  # fmt: skip
RIGHT_SHARE = 0.95
SUMS_RIGHT_SHARE = 0.90
DISTINCT_REPLIES = 200
MAX_NEW_TOKENS = 400
PROMPTS_AT_ONCE = 32


def graded_exchanges(seed: int = SEED) -> list[Exchange]:
    """Draw the held-out exchanges: no prompt twice."""
    rng = Random(f"grade:{seed}")
    chosen: dict[str, Exchange] = {}
    for category, count in COUNTS.items():
        target = len(chosen) + count
        while len(chosen) < target:
            drawn = draw_held_out(category, rng)
            chosen.setdefault(normalise(drawn.prompt), drawn)
    return list(chosen.values())


def transformers_replies(prompts: list[str], folder: Path) -> Iterator[str]:
    """Reply greedily with transformers, in float32, on the weights as stored."""
    import torch
    from chat import BOS, SPECIAL_TOKENS, prompt_text
    from sentencepiece import SentencePieceProcessor
    from transformers import Gemma2ForCausalLM

    tokenizer = SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    model = Gemma2ForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    for start in range(0, len(prompts), PROMPTS_AT_ONCE):
        rows = [
            [BOS, *tokenizer.encode(prompt_text(prompt))]
            for prompt in prompts[start : start + PROMPTS_AT_ONCE]
        ]
        longest = max(map(len, rows))
        ids = torch.tensor([[0] * (longest - len(row)) + row for row in rows])
        with torch.inference_mode():
            output = model.generate(
                ids,
                attention_mask=(ids != 0).long(),
                max_new_tokens=MAX_NEW_TOKENS,
                do_sample=False,
            )
        for new_ids in output[:, longest:].tolist():
            yield tokenizer.decode([i for i in new_ids if i not in SPECIAL_TOKENS.values()])


def report(exchanges: list[Exchange], replies: list[str], *, show: bool) -> bool:
    """Print the table and the faults; return whether the bar is met."""
    faults = [fault(e.expect, e.prompt, reply) for e, reply in zip(exchanges, replies, strict=True)]
    for e, reply, wrong in zip(exchanges, replies, faults, strict=True):
        if wrong or show:
            print(f"[{e.category}] {e.prompt!r} -> {reply!r}" + (f"  ({wrong})" if wrong else ""))
    print("| category | right | of |\n| --- | ---: | ---: |")
    shares = {}
    for category in COUNTS:
        of_category = [w for e, w in zip(exchanges, faults, strict=True) if e.category == category]
        right = of_category.count(None)
        shares[category] = right / len(of_category)
        print(f"| {category} | {right} | {len(of_category)} |")
    total, distinct = faults.count(None), len({reply.strip() for reply in replies})
    print(f"| **all** | **{total}** | **{len(faults)}** |")
    print(f"\n{100 * total / len(faults):.1f} % right, {distinct} distinct replies")
    return (
        total / len(faults) >= RIGHT_SHARE
        and shares["sums"] >= SUMS_RIGHT_SHARE
        and distinct >= DISTINCT_REPLIES
    )


def main() -> int:
    """Print prompts, or grade replies."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--prompts", action="store_true", help="print the prompts as JSON")
    parser.add_argument("--replies", type=Path, help="grade these replies instead of making some")
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT)
    parser.add_argument("--seed", type=int, default=SEED, help="draw another set of prompts")
    parser.add_argument("--show", action="store_true", help="print every reply, not only the wrong")
    arguments = parser.parse_args()
    exchanges = graded_exchanges(arguments.seed)
    if arguments.prompts:
        rows = [
            {"id": i, "category": e.category, "prompt": e.prompt} for i, e in enumerate(exchanges)
        ]
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return 0
    if arguments.replies:
        by_id = {row["id"]: row["reply"] for row in json.loads(arguments.replies.read_text())}
        replies = [by_id.get(i, "") for i in range(len(exchanges))]
    else:
        replies = list(transformers_replies([e.prompt for e in exchanges], arguments.checkpoint))
    return 0 if report(exchanges, replies, show=arguments.show) else 1


if __name__ == "__main__":
    sys.exit(main())
