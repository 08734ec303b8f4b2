"""A vision tower in a GGUF file of its own, as llama.cpp splits models that see."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from webgemma.checkpoint import Checkpoint, TokenizerSource
from webgemma.errors import ConfigError, UnsupportedError
from webgemma.sources.detect import open_checkpoint
from webgemma.sources.files import broken, shown

CLIP = "clip"
"""general.architecture of such a file, whatever its tower is (llama.cpp tools/mtmd/clip-impl.h)."""
SEEING = {"gemma": "paligemma"}
"""The text's architecture -> that of the two files together."""
CONTROL, USER_DEFINED = 3, 4  # of tokenizer.ggml.token_type (llama.h, llama_token_type)
_SPOKEN = re.compile(r"<loc\d{4}>|<seg\d{3}>")
"""Tokens that answers of PaliGemma consist of; some converters mark them as control tokens."""


def join_mmproj(text: Checkpoint, path: Path) -> Checkpoint:
    """Join a text's checkpoint with the file of its tower; keys `clip.*` are taken over.

    Raises:
        ConfigError: the text is no GGUF file, or `path` no tower's.
        UnsupportedError: a text of another family.
        FormatError: a file is broken, or both have a tensor of one name.
    """
    if text.format != "gguf":
        msg = (
            f"--mmproj {path}: {text.path} is a folder, which holds its vision tower itself: got "
            "a second one, expected none. Leave --mmproj out."
        )
        raise ConfigError(msg)
    tower = open_checkpoint(path)
    if tower.architecture != CLIP:
        msg = (
            f"--mmproj {path}: got architecture {tower.architecture!r}, expected {CLIP!r}, the "
            "file of a vision tower. Give the text's file as SOURCE and the tower's here."
        )
        raise ConfigError(msg)
    if text.architecture not in SEEING:
        msg = (
            f"--mmproj {path}: a vision tower with architecture {text.architecture!r} is not "
            f"supported (have {', '.join(SEEING)}, of PaliGemma). Leave --mmproj out for the text."
        )
        raise UnsupportedError(msg)
    twice = sorted(set(text.tensors) & set(tower.tensors))
    if twice:
        expected = f"every name once (it is in {text.path.name} too)"
        raise broken(path, f"tensor {shown(twice[0])}", "the name a second time", expected)
    clip = {k: v for k, v in tower.metadata.items() if k.startswith(f"{CLIP}.")}
    return replace(
        text,
        architecture=SEEING[text.architecture],
        files=(*text.files, *tower.files),
        metadata={**text.metadata, **clip},
        tensors={**text.tensors, **tower.tensors},
        tokenizer=TokenizerSource(gguf=_with_spoken(text.tokenizer.gguf or {})),
    )


def _with_spoken(keys: Mapping[str, Any]) -> dict[str, Any]:
    """The `tokenizer.*` keys with the types of `_SPOKEN` such that they are part of a text."""
    tokens = keys.get("tokenizer.ggml.tokens")
    types = keys.get("tokenizer.ggml.token_type")
    if tokens is None or types is None or len(tokens) != len(types):
        return dict(keys)  # the tokenizer's reader says what is wrong
    if isinstance(types, np.ndarray):
        types = types.tolist()
    spoken = [
        USER_DEFINED if kind == CONTROL and _SPOKEN.fullmatch(str(token)) else kind
        for token, kind in zip(tokens, types, strict=True)
    ]
    return {**keys, "tokenizer.ggml.token_type": spoken}
