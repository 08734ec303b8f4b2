"""What holding a reply to a JSON Schema costs for each token, natively and in Chromium.

    python bench/structured.py
    python bench/structured.py --vocab-size 256000

The vocabulary is made up, in the order of Gemma's. Prints what is done once for a model, once for
a schema, and for every token: the mask and taking the token, means and the slowest. Milliseconds.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from tests.support.modules import lay_modules
from tests.support.vocabulary import make_vocabulary
from webgemma.checkpoint import TokenizerSource
from webgemma.layout import INDEX, SITE_VERSION
from webgemma.runtime.sampling import allowed
from webgemma.serve import serving
from webgemma.structured import Constrainer, schema_grammar
from webgemma.tokenizer import Tokenizer, make_tokenizer_json
from webgemma.web import copy_web

STOPS = [1, 107]
LIMIT = 1000
SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 40},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "role": {"enum": ["reader", "writer", "editor"]},
        "scores": {"type": "array", "items": {"type": "number"}},
        "friend": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
    },
    "required": ["name", "age", "role", "scores", "friend"],
}
PERSON = {"name": "Ada Lovelace of London", "age": 36, "role": "writer", "scores": [1.5, 2, 0.25]}
REPLY = json.dumps({**PERSON, "friend": {**PERSON, "friend": None}})
PAGE = """async ({ tokenizer, schema, reply, stops, limit }) => {
  const { Constrainer } = await import("/webgemma/structured/xgrammar.js");
  const { Tokenizer } = await import("/webgemma/tokenizer.js");
  const document = Tokenizer.fromJson(tokenizer);
  const timed = async (work) => {
    const started = performance.now();
    const result = await work();
    return [result, performance.now() - started];
  };
  const [constrainer, vocabulary] = await timed(() =>
    new Constrainer(document, stops, document.vocabSize));
  const [, first] = await timed(() => constrainer.constraint({ const: 1 }, limit));
  const [constraint, begin] = await timed(() => constrainer.constraint(schema, limit));
  const tokens = constrainer.vocabulary.cover(new TextEncoder().encode(reply));
  const masks = [];
  const takes = [];
  for (const token of tokens) {
    const [mask, maskMs] = await timed(() => constraint.mask());
    if (!((mask[token >>> 5] >>> (token & 31)) & 1)) throw new Error(`token ${token}`);
    const [, takeMs] = await timed(() => constraint.take(token));
    masks.push(maskMs);
    takes.push(takeMs);
  }
  return { once: vocabulary + first, begin, masks, takes };
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vocab-size", type=int, default=256_000, help="tokens")
    parser.add_argument("--chromium", default="chromium", help="the browser's program")
    options = parser.parse_args()
    made = make_vocabulary(options.vocab_size)
    keys = {"tokens": made.tokens, "scores": made.scores, "token_type": made.types}
    gguf = {"tokenizer.ggml.model": "llama", **{f"tokenizer.ggml.{k}": v for k, v in keys.items()}}
    document = make_tokenizer_json(TokenizerSource(gguf=gguf))
    print(f"{options.vocab_size:,} tokens, a reply of {len(REPLY)} characters")
    show("native, llguidance", measure_natively(document))
    show("Chromium, xgrammar", measure_in_chromium(document, options.chromium))


def measure_natively(document: bytes) -> dict[str, Any]:
    """Milliseconds of everything."""
    tokenizer = Tokenizer.from_json(document)
    constrainer = Constrainer(tokenizer, STOPS, tokenizer.vocab_size)
    started = time.perf_counter()
    constrainer.constraint(schema_grammar({"const": 1}), LIMIT)
    prepared = time.perf_counter()
    constraint = constrainer.constraint(schema_grammar(SCHEMA), LIMIT)
    begun = time.perf_counter()
    masks, takes = [], []
    tokens = constrainer.vocabulary.cover(REPLY.encode())
    assert tokens is not None
    for token in tokens:
        before = time.perf_counter()
        mask = constraint.mask()
        after = time.perf_counter()
        assert allowed(mask, tokenizer.vocab_size)[token]
        between = time.perf_counter()
        constraint.take(token)
        takes.append(1000 * (time.perf_counter() - between))
        masks.append(1000 * (after - before))
    once, begin = prepared - started, begun - prepared
    return {"once": 1000 * once, "begin": 1000 * begin, "masks": masks, "takes": takes}


def measure_in_chromium(document: bytes, chromium: str) -> dict[str, Any]:
    """The same, in a page of a site."""
    argument = {"tokenizer": document.decode(), "schema": SCHEMA, "reply": REPLY}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        copy_web(Path(folder), structured_output=True)
        lay_modules(Path(folder))
        index = Path(folder) / INDEX
        index.parent.mkdir()
        index.write_text(json.dumps({"version": SITE_VERSION, "models": []}))
        browser = playwright.chromium.launch(
            executable_path=shutil.which(chromium), args=["--no-sandbox"]
        )
        with serving(Path(folder)) as server:
            page = browser.new_page()
            page.goto(f"{server.url}webgemma/types.d.ts")
            measured: dict[str, Any] = page.evaluate(
                PAGE, {**argument, "stops": STOPS, "limit": LIMIT}
            )
        browser.close()
    return measured


def show(name: str, measured: Mapping[str, Any]) -> None:
    """Print one line."""
    masks, takes = measured["masks"], measured["takes"]
    print(
        f"{name}: model {measured['once']:.0f}, schema {measured['begin']:.1f}, "
        f"mask {statistics.fmean(masks):.3f} (at most {max(masks):.2f}), "
        f"take {statistics.fmean(takes):.3f} (at most {max(takes):.2f}) ms, {len(masks)} tokens"
    )


if __name__ == "__main__":
    main()
