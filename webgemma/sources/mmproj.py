"""A vision tower in a GGUF file of its own, as llama.cpp splits models that see."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from webgemma.checkpoint import Checkpoint
from webgemma.errors import ConfigError, UnsupportedError
from webgemma.sources.detect import open_checkpoint
from webgemma.sources.files import broken, shown

CLIP = "clip"
"""general.architecture of such a file, whatever its tower is (llama.cpp tools/mtmd/clip-impl.h)."""
SEEING = {"gemma": "paligemma"}
"""The text's architecture -> that of the two files together."""


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
    )
