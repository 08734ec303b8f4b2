"""Times decoding with and without drafted tokens, in turns, on text that repeats and on other text.

    python -m tests.support.seeded_gguf gemma-300m-Q4_0 build/gemma-300m.gguf
    python bench/draft.py build/gemma-300m.gguf [--count 64] [--repeat 3]
        [--browser] [--chromium /usr/bin/chromium]

MODEL is anything that `webgemma build` takes. Of a seeded model, greedy text repeats soon, and text
drawn at temperature 1 never does: what drafts save, and what looking for them costs. Prints medians
of tokens per second behind the first token, and how many of the drafted tokens were accepted.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent / "browser"))

from webgemma import build_site, open_session

PROMPT = "Repeat after me: one, two, three, four, five. One, two, three, four, five."
TEXTS = {"repeating": {"temperature": 0}, "other": {"temperature": 1, "seed": 1}}

Run = Callable[[dict[str, Any]], dict[str, Any]]
"""Options of a request -> tokens_per_s, and how many tokens were drafted and accepted."""


@contextmanager
def native(site: Path, count: int) -> Iterator[tuple[str, Run]]:
    """(the variant, runs a request) through wgpu-py."""
    with open_session(site, context_window_size=count + 128) as session:

        def run(options: dict[str, Any]) -> dict[str, Any]:
            generation = session.generate(PROMPT, max_tokens=count, **options)
            for _ in generation:
                pass
            return {
                "tokens_per_s": generation.timings["decode_tokens_per_s"],
                "drafted": generation.drafted_tokens,
                "accepted": generation.accepted_tokens,
            }

        yield session.runner.variant.name, run


@contextmanager
def in_browser(site: Path, count: int, chromium: str) -> Iterator[tuple[str, Run]]:
    """(the variant, runs a request) in a page of Chromium."""
    from page import open_page

    with open_page(site, site, chromium, "draft.html") as page:
        variant = page.evaluate("(context) => load(context)", count + 128)
        request = {"prompt": PROMPT, "max_tokens": count}
        yield variant, lambda options: page.evaluate("run", {**request, **options})


def report(what: str, run: Run, repeat: int) -> None:
    """Measure both kinds of text and print their lines."""
    print(f"{what}\ntokens/s     plain   drafted     ratio   accepted")
    for name, options in TEXTS.items():
        runs: dict[bool, list[dict[str, Any]]] = {False: [], True: []}
        run({**options, "draft": True})  # warms up, and compiles what verifies drafts
        for _ in range(repeat):
            for draft, those in runs.items():
                those.append(run({**options, "draft": draft}))
        plain, drafted = (
            statistics.median(one["tokens_per_s"] for one in runs[draft]) for draft in runs
        )
        counts = [sum(one[key] for one in runs[True]) for key in ("accepted", "drafted")]
        print(
            f"{name:10}{plain:8.2f}{drafted:10.2f}{drafted / plain:8.2f} x"
            f"   {counts[0]} of {counts[1]}"
        )


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--browser", action="store_true", help="in Chromium, not through wgpu-py")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    arguments = parser.parse_args()
    with TemporaryDirectory() as name:
        site = Path(name)
        build_site(arguments.model, site, model_id="model")
        if arguments.browser:
            opened = in_browser(site, arguments.count, arguments.chromium)
        else:
            opened = native(site, arguments.count)
        with opened as (variant, run):
            place = "Chromium" if arguments.browser else "wgpu-py"
            report(f"{variant}, {place}", run, arguments.repeat)


if __name__ == "__main__":
    main()
