"""The built-in model says the same in Chromium as natively, both in the same variant.

By default a dozen of its graded prompts greedily in that for software adapters, and two with draws
on the f32 baseline, whose tokens take five times as long there, 24 tokens each; WEBGEMMA_LONG=1
takes fifty of all, 64 tokens each.
"""

from __future__ import annotations

import os

import numpy as np
import pytest

from tests.support.pebble import graded_prompts
from webgemma.runtime.sampling import Sampling, gumbel
from webgemma.runtime.session import open_session
from webgemma.runtime.steps import common_prefix

pytestmark = [
    pytest.mark.browser,
    pytest.mark.gpu,
    pytest.mark.slow,
    pytest.mark.xdist_group("browser"),
]

MARGIN = 1e-3  # of the best two logits: below it either token is right
LOAD = """async (variant) => {
  const { Engine } = await import("/webgemma/index.js");
  window.engine = await Engine.load("/models/pebble/", { variant });
}"""
GENERATE = """async ([tokens, options]) =>
  (await engine.generateTokens(tokens, options)).token_ids"""
LONG = os.environ.get("WEBGEMMA_LONG") == "1"
MAX_TOKENS = 64 if LONG else 24


def deciding_margin(logits, sampling, step, tokens):
    """By how much, in logits, one of two tokens won over the other at a step.

    A token that top_k left out may also have lost to the last one it kept.
    """
    logits = logits.astype(np.float64)
    if sampling.temperature == 0:
        return float(abs(logits[tokens[0]] - logits[tokens[1]]))
    last_kept = np.sort(logits)[-sampling.top_k]
    noisy = logits + sampling.temperature * gumbel(sampling.seed, step, np.arange(len(logits)))
    return float(min(abs(np.diff(noisy[tokens])[0]), *abs(logits[tokens] - last_kept)))


@pytest.mark.parametrize(
    ("variant", "count", "temperature", "top_k"),
    [("software", 50 if LONG else 12, 0.0, 0), ("f32", 50 if LONG else 2, 0.8, 40)],
)
def test_same_tokens(pebble, open_page, variant, count, temperature, top_k):
    rows = graded_prompts()
    prompts = [row["prompt"] for row in rows[:: len(rows) // count][:count]]
    watched = open_page(pebble)
    page = watched.engine()
    page.evaluate(LOAD, variant)
    total, ties = 0, []
    with open_session(pebble.root, variant=variant) as session:
        stop = session.model.manifest["generation"]["stop_token_ids"]
        for seed, prompt in enumerate(prompts):
            options = {"temperature": temperature, "top_k": top_k, "seed": seed}
            ids = session.encode_prompt(prompt)
            generation = session.generate(prompt, max_tokens=MAX_TOKENS, **options)
            "".join(generation)
            native = generation.tokens
            limits = {"maxTokens": MAX_TOKENS, "stopTokenIds": stop}
            browser = page.evaluate(GENERATE, [ids, {**options, **limits}])
            total += len(native)
            if native == browser:
                continue
            same = common_prefix(native, browser)
            both = [next(iter(tokens[same:]), stop[0]) for tokens in (native, browser)]
            last = session.logits([*ids, *native[:same]])[-1]
            gap = deciding_margin(last, Sampling(**options), same, both)
            ties.append((prompt, same, gap))
            assert gap <= MARGIN, f"{prompt!r} differs at token {same}, where the gap is {gap}"
    watched.check()
    print(f"{len(prompts)} prompts, {total} tokens equal but for near-ties: {ties}")
    assert total > 10 * count
