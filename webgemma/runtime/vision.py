"""What a session does with an image: prepare it, encode it once, put it before the prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from webgemma.errors import ConfigError
from webgemma.image import prepare_image, read_image
from webgemma.program.spec import Program
from webgemma.runtime.runner import Runner

Image = str | Path | NDArray[np.uint8]
"""A file, or pixels uint8 [height, width, 3]."""
Pixels = NDArray[np.float32]
"""As a program takes them: float32 [3, size, size], normalized."""


def pixels_of(program: Program, image: Image) -> Pixels:
    """Read, resize and normalize an image.

    Raises:
        ConfigError: the model does not see, or the image cannot be read.
    """
    if program.image is None:
        msg = (
            f"image: a model of architecture {program.architecture!r} does not see images. Ask it "
            "without one, or build one that sees (paligemma)."
        )
        raise ConfigError(msg)
    decoded = read_image(image) if isinstance(image, str | Path) else image
    return prepare_image(decoded, program.image)


def encode_image(runner: Runner, image: Mapping[str, Any], pixels: Pixels) -> None:
    """Run phase `encode_image`; its result stays on the GPU for the prompts that follow."""
    words = {"position": 0, "num_tokens": image["num_tokens"]}
    runner.write_image(pixels)
    runner.write_state(words)
    runner.run("encode_image", words)


def vision_prompt(
    image: Mapping[str, Any], bos: Sequence[int], text: Sequence[int], *, has_image: bool
) -> list[int]:
    """A token for every part of the image, if there is one, before BOS and the text's tokens."""
    parts = [image["token_id"]] * image["num_tokens"] if has_image else []
    return [*parts, *bos, *text]


def check_prefix(program: Program, length: int) -> None:
    """Refuse a prompt of which no one chunk holds all: its tokens see each other.

    Raises:
        ConfigError: it is too long.
    """
    most = program.prefill_chunk_size
    if length > most:
        msg = (
            f"prompt: got {length} tokens with the image's, expected at most {most}, as they are "
            "run at once. Shorten the text."
        )
        raise ConfigError(msg)
