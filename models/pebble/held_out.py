"""Print text of Pebble's world that training never saw, for `webgemma eval --control-tokens`.

    python models/pebble/held_out.py > held-out.txt
    python models/pebble/held_out.py --exchanges 40 --seed 2

Exchanges of all categories in turn, each a prompt that `world/exchange.py` keeps out of training
and its reply, as the chat template writes them.
"""

from __future__ import annotations

import argparse
from random import Random

from chat import prompt_text
from world import Exchange, draw_held_out

CATEGORIES = ("greetings", "itself", "colours", "counting", "sums", "differences", "opposites",
              "days", "stories", "outside")  # fmt: skip
EXCHANGES = 640  # about 45,000 tokens
SEED = 1


def draw(exchanges: int, seed: int) -> list[Exchange]:
    """Draw held-out exchanges, one category after the other."""
    rng = Random(f"held out:{seed}")
    return [draw_held_out(CATEGORIES[i % len(CATEGORIES)], rng) for i in range(exchanges)]


def as_text(exchanges: list[Exchange]) -> str:
    """Write exchanges as one conversation."""
    return "".join(f"{prompt_text(e.prompt)}{e.reply}<end_of_turn>\n" for e in exchanges)


def main() -> None:
    """Print the text."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--exchanges", type=int, default=EXCHANGES, help="how many")
    parser.add_argument("--seed", type=int, default=SEED, help="draw another text")
    arguments = parser.parse_args()
    print(as_text(draw(arguments.exchanges, arguments.seed)), end="")


if __name__ == "__main__":
    main()
