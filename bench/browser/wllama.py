"""Times our engine beside @wllama/wllama: one GGUF file, one page of Chromium, in turns.

    npm install --prefix build/peers @wllama/wllama@3
    pip install playwright
    python -m tests.support.seeded_gguf gemma-300m-Q4_0 build/gemma-300m.gguf
    python bench/browser/wllama.py build/gemma-300m.gguf [--prompt 128] [--count 64] [--repeat 5]
        [--threads 2] [--repeating] [--chromium /usr/bin/chromium]
        [--modules build/peers/node_modules]

The page is cross-origin isolated, so that wllama has its threads; without an adapter that has f16
it computes on the processor, and so does our adapter if it is a software one. Prefill is the time
to the first token, decode that of all behind it; medians are printed. Greedy text of a seeded model
repeats, so ours is decoded without drafted tokens, unless --repeating asks for what they save.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from page import open_page

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from webgemma import build_site


def tokens_per_second(side: dict[str, Any]) -> tuple[float, float]:
    """Medians of the prompt's and of the answer's tokens by the second."""
    prefill, decode = [], []
    for run in side["runs"]:
        usage = run["usage"]
        prefill.append(usage["prompt_tokens"] / run["first"])
        decode.append((usage["completion_tokens"] - 1) / run["rest"])
    return statistics.median(prefill), statistics.median(decode)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--prompt", type=int, default=128, help="words, of a token or two each")
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeating", action="store_true", help="ours may draft what repeats")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--modules", type=Path, default=Path("build/peers/node_modules"))
    arguments = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        build_site(arguments.model, folder / "site", model_id="model")
        (folder / "model.gguf").symlink_to(arguments.model.resolve())
        case = {
            "model": "/case/site/models/model/",
            "context": 4 * arguments.prompt + arguments.count,
            "threads": arguments.threads,
            "prompt": " ".join(["the"] * arguments.prompt),
            "count": arguments.count,
            "repeat": arguments.repeat,
            "draft": arguments.repeating,
        }
        with open_page(folder, arguments.modules, arguments.chromium, "wllama.html") as page:
            result = page.evaluate("(spec) => compare(spec)", case)
    ours, theirs = tokens_per_second(result["ours"]), tokens_per_second(result["theirs"])
    for side in ("ours", "theirs"):
        usage = result[side]["runs"][0]["usage"]
        print(f"{side}: {result[side]['what']}, {usage['prompt_tokens']} tokens of prompt")
    print("tokens/s      ours    wllama     ratio")
    for what, mine, other in zip(("prefill", "decode"), ours, theirs, strict=True):
        print(f"{what:8}{mine:10.2f}{other:10.2f}{mine / other:8.2f} x")


if __name__ == "__main__":
    main()
