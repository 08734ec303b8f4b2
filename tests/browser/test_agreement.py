"""The built-in model says the same in Chromium as natively, both on the f32 baseline.

By default a dozen of its graded prompts; WEBGEMMA_LONG=1 takes fifty, 64 tokens each.
"""

from __future__ import annotations

import os

import numpy as np
import pytest

from tests.support.pebble import graded_prompts
from webgemma.runtime.session import common_prefix, open_session

pytestmark = [
    pytest.mark.browser,
    pytest.mark.gpu,
    pytest.mark.slow,
    pytest.mark.xdist_group("browser"),
]

MARGIN = 1e-3  # of the best two logits: below it either token is right
MAX_TOKENS = 64
LOAD = """async () => {
  const { Engine } = await import("/webgemma/index.js");
  window.engine = await Engine.load("/models/pebble/", { variant: "f32" });
}"""
GENERATE = """async ([tokens, maxTokens]) =>
  (await engine.generateTokens(tokens, { maxTokens })).token_ids"""


def native_tokens(session, prompt):
    """Greedy tokens until a stop token."""
    generation = session.generate(prompt, max_tokens=MAX_TOKENS)
    "".join(generation)
    return generation.tokens


def test_same_tokens(pebble, open_page):
    count = 50 if os.environ.get("WEBGEMMA_LONG") == "1" else 12
    rows = graded_prompts()
    prompts = [row["prompt"] for row in rows[:: len(rows) // count][:count]]
    watched = open_page(pebble)
    page = watched.engine()
    page.evaluate(LOAD)
    total, ties = 0, []
    with open_session(pebble.root, variant="f32") as session:
        stop = set(session.model.manifest["generation"]["stop_token_ids"])
        for prompt in prompts:
            ids = session.encode_prompt(prompt)
            native = native_tokens(session, prompt)
            browser = page.evaluate(GENERATE, [ids, MAX_TOKENS])
            browser = [token for token in browser if token not in stop]
            total += len(native)
            if native == browser:
                continue
            same = common_prefix(native, browser)
            last = session.logits([*ids, *native[:same]])[-1]
            best = np.sort(last)
            gap = float(best[-1] - best[-2])
            ties.append((prompt, same, gap))
            assert gap <= MARGIN, f"{prompt!r} differs at token {same}, where the gap is {gap}"
    watched.check()
    print(f"{len(prompts)} prompts, {total} tokens equal but for near-ties: {ties}")
    assert total > 10 * count
