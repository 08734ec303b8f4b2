"""Makes a model's self-test: its kernels on a little of its weights, with the answers beside them.

A GPU's driver may compute wrong numbers without a word. So a site carries a second, small program
(self-test.json, as program.json, and self-test.bin) that uses the kernel templates and storage
types of the model at sizes of a few kilobytes. Both runners run it with the variant they chose,
before any weights are fetched, and compare what comes out with the float64 answers stored here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from webgemma.architectures.decoder.cache import Cache
from webgemma.architectures.run_quantization import NONE, RunQuantization
from webgemma.self_test.attention import HEAD_DIM, KV_HEADS, add_attention
from webgemma.self_test.products import add_products, smallest_of_each_type
from webgemma.self_test.unfinished import TOKENS, SelfTest

__all__ = ["make_self_test"]


def make_self_test(sources: Sequence[Any], run_quantization: RunQuantization) -> SelfTest:
    """Make the self-test of a model from its weights' sources, and what it runs with in 8 bits."""
    test = SelfTest()
    rng = np.random.default_rng(11)
    for source in smallest_of_each_type(sources):
        add_products(test, source, rng, is_int8=run_quantization.activations != NONE)
    add_attention(test, rng, Cache(run_quantization.cache, KV_HEADS, HEAD_DIM))
    test.program = test.builder.finish(
        architecture="self-test",
        prefill_chunk_size=TOKENS,
        logits_chunk_size=1,
        vocab_size=1,
        max_context_window_size=TOKENS,
        generated_ring_size=1,
        num_hidden_layers=1,
    )
    return test
