"""GGML blocks of random bytes, whose scales are finite."""

from __future__ import annotations

import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
from numpy.typing import NDArray

HALVES: dict[str, tuple[int, ...]] = {
    "Q2_K": (80, 82),
    "Q3_K": (108,),
    "Q6_K": (208,),
    "IQ1_M": (48,),
    "TQ1_0": (52,),
    "TQ2_0": (64,),
    "MXFP4": (),
} | {name: (0, 2) for name in ("Q4_1", "Q5_1", "Q4_K", "Q5_K")}
"""Where the float16 scales of a block lie; of the types not named here, at its start."""

EXPONENT = 0  # of MXFP4: the byte of its scale


def halves_of(name: str) -> int:
    """How many float16 scales a block of the type has."""
    return len(HALVES.get(name, (0,)))


def random_blocks(
    name: str, columns: int, scales: NDArray[np.float16], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Rows of blocks of random bytes.

    Args:
        name: GGML's name of the type.
        columns: weights of a row.
        scales: float16 [rows, blocks of a row, halves_of(name)].
        rng: where the bytes come from.

    Returns:
        Raw rows [rows, row_nbytes]. MXFP4's exponents are 110 to 130.
    """
    weights, nbytes = GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    blocks = rng.integers(0, 256, (len(scales), columns // weights, nbytes), np.uint8)
    if name == "MXFP4":
        blocks[..., EXPONENT] = rng.integers(110, 131, blocks.shape[:2])
    elif name == "IQ1_M":  # the scale's nibbles, lowest first, are the top nibbles of four u16
        tops = scales.view(np.uint16) >> np.arange(0, 16, 4, np.uint16) << np.uint16(12)
        low = blocks[..., 48:].view(np.uint16) & np.uint16(0xFFF)
        blocks[..., 48:] = (low | tops).view(np.uint8)
    else:
        for i, at in enumerate(HALVES.get(name, (0,))):
            blocks[..., at : at + 2] = scales[..., i : i + 1].copy().view(np.uint8)
    return blocks.reshape(len(scales), -1)
