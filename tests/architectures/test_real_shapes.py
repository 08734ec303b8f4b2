"""Published sizes of Llama and Qwen 3 pass the checker, at the longest context that fits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.programs import shape_checkpoint
from webgemma.architectures import lower
from webgemma.program.check import check

SIZES = {
    # family, hidden, intermediate, heads, vocabulary, context, tied, dispatches, context that fits
    "Llama 3.2 1B": ("llama", 2048, 8192, (32, 8, 64), 128256, 131072, True, 6, 65536),
    "Llama 3.2 3B": ("llama", 3072, 8192, (24, 8, 128), 128256, 131072, True, 6, 32768),
    "Llama 3.1 8B": ("llama", 4096, 14336, (32, 8, 128), 128256, 131072, False, 6, 32768),
    "Llama 2 7B": ("llama", 4096, 11008, (32, 32, 128), 32000, 4096, False, 6, 4096),
    "Qwen 3 0.6B": ("qwen3", 1024, 3072, (16, 8, 128), 151936, 40960, True, 7, 32768),
    "Qwen 3 4B": ("qwen3", 2560, 9728, (32, 8, 128), 151936, 40960, True, 7, 32768),
    "Qwen 3 8B": ("qwen3", 4096, 12288, (32, 8, 128), 151936, 40960, False, 7, 32768),
}
LAYERS = 2  # all are alike


@pytest.mark.parametrize("name", SIZES)
def test_they_pass_the_checker(name):
    family, hidden, intermediate, heads, vocab, context, tied, dispatches, fits = SIZES[name]
    checkpoint = shape_checkpoint(
        family, {"output": "Q6_K", "token_embd": "Q6_K" if tied else "Q4_K"}, layers=LAYERS,
        hidden=hidden, intermediate=intermediate, heads=heads, vocab=vocab,
        more=None if tied else {"output.weight": (vocab, hidden)},
    )  # fmt: skip
    metadata = checkpoint.metadata | {f"{family}.context_length": context}
    lowered = lower(replace(checkpoint, metadata=metadata))
    report = check(lowered.program, lowered.shaders)
    assert report.dispatches_per_layer["decode"] == dispatches
    assert lowered.program.max_context_window_size == fits
