"""What a tuner may choose of a variant's symbols: a handful of settings for each group of kernels.

A choice sets all symbols of its group; the first is what the variant has where nothing was
measured. Both the override constants of the kernels and the sizes of their dispatches are
expressions of these symbols, so that a choice cannot change one without the other. Every choice
keeps to WebGPU's default limits: 256 invocations and 16 KiB of memory a workgroup.
"""

from __future__ import annotations

from collections.abc import Mapping

Choice = Mapping[str, int]
"""Symbol -> its value."""
Tuning = Mapping[str, tuple[Choice, ...]]
"""Group of kernels -> its choices, the default first."""


def _matvec(lanes: int, workgroup: int) -> Choice:
    """Invocations that share a row, twice as many where rows are long, and of a workgroup."""
    return {
        "matvec_lanes": lanes,
        "matvec_long_lanes": 2 * lanes,
        "matvec_workgroup": workgroup,
    }


def _matvec_software(workgroup: int) -> Choice:
    """Invocations of a workgroup: none share a row."""
    return {"matvec_lanes": 1, "matvec_long_lanes": 1, "matvec_workgroup": workgroup}


def _attention(keys: int) -> Choice:
    """Keys of a workgroup of decode: a multiple of 32, at least the scratch's SPLIT_KEYS."""
    return {"attention_split_keys": keys}


def _matmul(tokens: int, rows: int, few_tokens: int = 0, few_rows: int = 0) -> Choice:
    """Tokens and rows of a workgroup; of small matrices (`few`) the same, or as they are given."""
    return {
        "matmul_tokens": tokens,
        "matmul_rows": rows,
        "matmul_few_tokens": few_tokens or tokens,
        "matmul_few_rows": few_rows or rows,
    }


ATTENTION = (_attention(64), _attention(128), _attention(256))

GPU_TUNING: Tuning = {
    "matvec": (
        _matvec(32, 64),
        _matvec(16, 64),
        _matvec(8, 64),
        _matvec(64, 64),
        _matvec(32, 128),
        _matvec(16, 128),
    ),
    "attention": ATTENTION,
    "matmul": (_matmul(32, 64), _matmul(64, 32), _matmul(16, 64)),
}
F16_TUNING: Tuning = {
    **GPU_TUNING,
    "matmul": (*GPU_TUNING["matmul"], _matmul(64, 64), _matmul(32, 128)),
}
"""Decoded weights in f16 leave room for larger tiles in workgroup memory."""

SOFTWARE_TUNING: Tuning = {
    "matvec": (_matvec_software(8), _matvec_software(16)),
    "attention": ATTENTION,
}
"""Without matrix products: they take seconds to compile on SwiftShader, and half or twice as many
rows a workgroup won nothing there or on lavapipe; nor did four invocations of a matvec."""
SOFTWARE_MATMUL = _matmul(16, 128, few_tokens=8, few_rows=64)
LAVAPIPE_MATMUL = _matmul(8, 128)


def default_symbols(tuning: Tuning) -> dict[str, int]:
    """The symbols of every group's first choice."""
    return {symbol: value for choices in tuning.values() for symbol, value in choices[0].items()}
