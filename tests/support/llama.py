"""llama.cpp as a judge: its quantizer, and its logits, in a process of their own.

llama-cpp-python is no dependency of the tests; WEBGEMMA_LLAMA_CPP_PYTHON names a Python that has
it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from numpy.typing import NDArray

CHILD = Path(__file__).with_name("llama_child.py")


def python() -> str:
    """The Python to run it with."""
    return os.environ.get("WEBGEMMA_LLAMA_CPP_PYTHON", sys.executable)


@cache
def why_not() -> str | None:
    """Why llama.cpp cannot be asked; None if it can."""
    done = subprocess.run([python(), "-c", "import llama_cpp"], capture_output=True, check=False)
    if done.returncode == 0:
        return None
    return (
        "llama-cpp-python is not installed (WEBGEMMA_LLAMA_CPP_PYTHON names a Python that has it)"
    )


def quantize(
    wanted: Mapping[str, Mapping[str, NDArray[np.float32]]],
) -> dict[str, dict[str, NDArray[np.uint8]]]:
    """Quantize with llama.cpp: type -> name -> matrix [rows, in_features] to blocks [rows, bytes].

    IQ types are given importance weights of ones.
    """
    arrays: dict[str, Any] = {}
    for kind, tensors in wanted.items():
        number = GGMLQuantizationType[kind]
        block_size, block_nbytes = GGML_QUANT_SIZES[number]
        for name, values in tensors.items():
            row_nbytes = values.shape[1] // block_size * block_nbytes
            arrays[f"{kind}:{name}:{int(number)}:{row_nbytes}"] = values
    found: dict[str, dict[str, NDArray[np.uint8]]] = {kind: {} for kind in wanted}
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "in.npz", **arrays)
        _run("quantize", Path(folder) / "in.npz", Path(folder) / "out.npz")
        with np.load(Path(folder) / "out.npz") as blocks:
            for key in blocks.files:
                kind, name = key.split(":")[:2]
                found[kind][name] = blocks[key]
    return found


def surprisals(
    model: Path, text: Path, *, context: int, most_chunks: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Evaluate a GGUF file on a text whose control tokens count, by llama-perplexity's protocol.

    Returns:
        The tokens of the whole text, and the negative log-likelihoods of those scored.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.npz"
        _run("surprisals", model, text, str(context), str(most_chunks), out)
        with np.load(out) as arrays:
            return arrays["tokens"], arrays["surprisals"]


def logits(model: Path, tokens: Sequence[int]) -> NDArray[np.float32]:
    """Logits [tokens, vocab_size] of a GGUF file at every position."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.npz"
        _run("logits", model, ",".join(map(str, tokens)), out)
        with np.load(out) as arrays:
            return arrays["logits"]


def tokenize(model: Path, texts: Sequence[str]) -> list[list[int]]:
    """The ids of texts by the vocabulary of a GGUF file; control tokens in them stay text."""
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "in.json", Path(folder) / "out.json"
        source.write_text(json.dumps(list(texts)))
        _run("tokenize", model, source, out)
        found: list[list[int]] = json.loads(out.read_text())
        return found


def _run(*arguments: str | Path) -> None:
    done = subprocess.run(
        [python(), CHILD, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
