"""GGML's ternary types: TQ1_0 in base 3 and TQ2_0 in two bits, repacked into planes.

Source of every block layout: ggml/src/ggml-common.h (block_tq1_0, block_tq2_0), as decoded by
gguf-py's quants.py; tests compare with values decoded by llama.cpp's C code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webgemma.storage.ggml_k import SUPER, split_pairs_of_bits
from webgemma.storage.packing import pack_two_bits, unpack_two_bits
from webgemma.storage.types import (
    QUAD_NBYTES,
    Plane,
    Planes,
    StorageType,
    check_in_features,
    split_blocks,
    view,
)

DIGITS = 5  # of base 3 in a byte
POWERS = np.array([1, 3, 9, 27, 81], np.uint8)
WORDS = 13  # of TQ1_0's codes per super-block: 52 bytes, 260 digits
OWN = 5  # of a group's eight fours of digits, those in its own word
GROUPS = 8  # of 32 weights in a super-block, and words of their own


def _read_digits(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Bytes [...] -> their digits [..., 5], the most significant first.

    A byte stands for the fraction byte / 256: times 3 the next digit comes out above 256.
    """
    rest = codes[..., None] * POWERS  # modulo 256
    digits: NDArray[np.uint8] = (rest.astype(np.uint16) * 3 >> 8).astype(np.uint8)
    return digits


def _write_digits(digits: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Undo `_read_digits`: [..., 5] -> bytes, number * 256 / 243 rounded up."""
    number = (digits.astype(np.uint16) * POWERS[::-1]).sum(axis=-1)
    packed: NDArray[np.uint8] = ((number * 256 + 242) // 243).astype(np.uint8)
    return packed


def _places() -> NDArray[np.intp]:
    """Where four j of group g lies: [8 groups, 8] of word * 5 + digit.

    The first five fours are the digits of word g. The other three of all groups, 24, take digits
    0 to 4 of words 8 to 12 in turn, so that a group's lie in consecutive words of the same digit
    or the next.
    """
    group, four = np.mgrid[0:GROUPS, 0:8]
    spilled = group * (8 - OWN) + four - OWN
    word = np.where(four < OWN, group, GROUPS + spilled % 5)
    digit = np.where(four < OWN, four, spilled // 5)
    places: NDArray[np.intp] = word * DIGITS + digit
    return places


def _split_trits(blocks: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """GGML's base-3 bytes [n, b, 52] -> codes 0..2 [n, b, 256].

    Digit t of byte b is weight 32 t + b for the first 32 bytes, 160 + 16 t + b - 32 for the next
    16, and 240 + 4 t + b - 48 for the last 4, which hold four digits.
    """
    parts = [_read_digits(part) for part in np.split(blocks, [32, 48], axis=-1)]
    parts[2] = parts[2][..., :4]
    flat = [part.swapaxes(-1, -2).reshape(*blocks.shape[:2], -1) for part in parts]
    return np.concatenate(flat, axis=-1)


def _ternary(codes: NDArray[np.uint8], scale: NDArray[np.uint8]) -> NDArray[np.float32]:
    """D * (q - 1): codes [n, K], bytes of float16 [n, K/256]."""
    d = np.repeat(view(scale, "float16").astype(np.float32), SUPER, axis=1)
    return d * (codes.astype(np.int8) - np.int8(1)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class TQ1_0:  # noqa: N801 - the name llama.cpp gives this type
    """w = d * (q - 1): five codes 0..2 in a byte, one f16 scale per 256 weights (54 bytes)."""

    name: str = "tq1_0"
    bits_per_weight: float = 1.6875

    def planes(self, in_features: int) -> tuple[Plane, ...]:
        """q_weight uint32 [N, 13 K/256], a digit of a word is four weights; q_scale float16."""
        check_in_features("storage tq1_0", in_features, SUPER)
        return (
            Plane("q_weight", "uint32", in_features // SUPER * WORDS),
            Plane("q_scale", "float16", in_features // SUPER),
        )

    def encode(self, rows: NDArray[np.uint8], in_features: int) -> Planes:
        """Blocks of 48 bytes of five codes, 4 bytes of four, d f16 -> planes.

        Other bytes of the same codes are possible; what is written is llama.cpp's choice.
        """
        n = len(rows)
        blocks = split_blocks(rows, 54)
        codes = _split_trits(blocks[..., :52])
        fours = np.zeros((n, blocks.shape[1], WORDS * DIGITS, 4), np.uint8)
        fours[:, :, _places().ravel()] = codes.reshape(n, -1, 64, 4)
        words = _write_digits(fours.reshape(n, -1, WORDS, DIGITS, 4).swapaxes(-1, -2))
        return (words.reshape(n, -1), blocks[..., 52:54].reshape(n, -1))

    def decode(self, planes: Sequence[NDArray[np.uint8]], in_features: int) -> NDArray[np.float32]:
        """D * (q - 1)."""
        n = len(planes[0])
        digits = _read_digits(planes[0].reshape(n, -1, WORDS, 4)).swapaxes(-1, -2)
        fours = digits.reshape(n, -1, WORDS * DIGITS, 4)
        return _ternary(fours[:, :, _places().ravel()].reshape(n, -1), planes[1])


@dataclass(frozen=True, slots=True)
class TQ2_0:  # noqa: N801
    """w = d * (q - 1): 2-bit codes, one f16 scale per 256 weights (66 bytes)."""

    name: str = "tq2_0"
    bits_per_weight: float = 2.0625

    def planes(self, in_features: int) -> tuple[Plane, ...]:
        """q_weight uint32 [N, K/16], q_scale float16 [N, K/256]."""
        check_in_features("storage tq2_0", in_features, SUPER)
        return (
            Plane("q_weight", "uint32", in_features // 16, unit_nbytes=QUAD_NBYTES),
            Plane("q_scale", "float16", in_features // SUPER),
        )

    def encode(self, rows: NDArray[np.uint8], in_features: int) -> Planes:
        """Blocks of 64 bytes of codes, d f16 -> planes."""
        n = len(rows)
        blocks = split_blocks(rows, 66)
        codes = split_pairs_of_bits(blocks[..., :64])
        return (pack_two_bits(codes), blocks[..., 64:66].reshape(n, -1))

    def decode(self, planes: Sequence[NDArray[np.uint8]], in_features: int) -> NDArray[np.float32]:
        """D * (q - 1)."""
        return _ternary(unpack_two_bits(planes[0]), planes[1])


KEPT_TERNARY: dict[str, StorageType] = {"TQ1_0": TQ1_0(), "TQ2_0": TQ2_0()}
"""GGML's name -> the type that keeps it."""
