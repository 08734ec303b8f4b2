"""Codes of one, two and six bits, in the orders that kernels read.

A kernel masks codes where they stand in a word and weighs each place once, after summing (see
shaders/storage/common.wgsl.jinja). What is packed here is therefore in ascending k, or in *fours*:
four neighbouring codes spread out so that one shift brings them above four codes of another plane.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from webgemma.storage.types import pack_nibbles

_SHIFTS = np.array([0, 2, 4, 6], np.uint8)


EACH_BYTE = 0x0101010101010101


def split_runs(packed: NDArray[np.uint8], num_bits: int) -> NDArray[np.uint8]:
    """GGML's codes, one a byte: of a run of bytes first the lowest bits of all, then the next.

    Args:
        packed: [n, b, run], contiguous; run is a multiple of 8.
        num_bits: Of a code: 1, 2 or 4.

    Returns:
        [n, b * run * 8 / num_bits].
    """
    words, run = packed.view("<u8"), f"V{packed.shape[-1]}"
    mask = np.uint64(EACH_BYTE * ((1 << num_bits) - 1))
    codes = np.empty((packed.size // packed.shape[-1], 8 // num_bits), run)
    for way in range(8 // num_bits):
        part = words >> np.uint64(num_bits * way)
        part &= mask
        codes[:, way] = part.view(run).reshape(-1)
    return codes.view(np.uint8).reshape(len(packed), -1)


def reorder_nibbles(packed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """As `pack_nibbles` of `split_runs` of four bits, without the codes between them.

    Args:
        packed: [n, b, run], contiguous; run is a multiple of 8.

    Returns:
        [n, b * run], two codes in a byte, the lower k in its low nibble.
    """
    words, half_run = packed.view("<u8"), f"V{packed.shape[-1] // 2}"
    mask = np.uint64(EACH_BYTE * 0xF)
    halves = np.empty((packed.size // packed.shape[-1], 2), half_run)
    for half in range(2):
        codes = words >> np.uint64(4 * half)
        codes &= mask
        halves[:, half] = pack_nibbles(codes.view(np.uint8)).view(half_run).reshape(-1)
    return halves.view(np.uint8).reshape(len(packed), -1)


def _join_bytes(words: NDArray[np.uint32], num_bits: int) -> NDArray[np.uint8]:
    """The lowest `num_bits` bits of all bytes, one after the other; 2 or 4, the others being 0.

    Args:
        words: Little-endian uint32 [m].
        num_bits: Of a byte.

    Returns:
        uint8 [m * num_bits / 2].
    """
    if num_bits == 4:
        pairs = words | words >> np.uint32(4)
        return pairs.view("<u2").astype(np.uint8)
    pairs = words | words >> np.uint32(6)
    pairs |= pairs >> np.uint32(12)
    return pairs.astype(np.uint8)


def pack_two_bits(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pack 2-bit codes [n, K] into bytes [n, K/4], the lowest k in the lowest bits."""
    words = np.ascontiguousarray(codes).view("<u4").reshape(-1)
    return _join_bytes(words, 2).reshape(len(codes), -1)


def pack_fours(bits: NDArray[np.uint8], ways: int) -> NDArray[np.uint8]:
    """Pack interleaved fours: bit j of four r goes to place j * ways + r of their 4 * ways.

    Args:
        bits: [n, K], 0 or 1 each.
        ways: 2 or 4 fours that share a run of places; K is a multiple of 4 * ways.

    Returns:
        [n, K / 8], the lowest place in the lowest bits.
    """
    fours = np.ascontiguousarray(bits).view("<u4").reshape(-1, ways)
    words = fours[:, 0].copy()
    for way in range(1, ways):
        words |= fours[:, way] << np.uint32(way)
    return _join_bytes(words, ways).reshape(len(bits), -1)


def pack_six_bits(codes: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Pack 6-bit codes [n, K] so that a few masks of words make four whole codes, one a byte.

    Of sixteen codes the first four of eight give their low four bits to the bytes of a word, the
    last four their high four bits. The word of what they lack serves all sixteen: the bits that
    belong to the first eight stand where they are missing, those of fours 2 and 3 two bits off.

    Args:
        codes: K a multiple of 16.

    Returns:
        [n, K/2] and [n, K/4].
    """
    fours = np.ascontiguousarray(codes).view("<u4").reshape(-1, 4)
    words = fours[:, 0::2] & _each(0x0F)
    words |= (fours[:, 1::2] & _each(0x3C)) << np.uint32(2)
    lacking = fours[:, 0] & _each(0x30)
    lacking |= (fours[:, 1] & _each(0x03)) << np.uint32(2)
    lacking |= (fours[:, 2] & _each(0x30)) << np.uint32(2)
    lacking |= fours[:, 3] & _each(0x03)
    n = len(codes)
    return words.view(np.uint8).reshape(n, -1), lacking.view(np.uint8).reshape(n, -1)


def unpack_six_bits(words: NDArray[np.uint8], lacking: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Undo `pack_six_bits`: [n, K/2] and [n, K/4] -> codes [n, K]."""
    pairs = words.view("<u4").reshape(-1, 2)
    bits = lacking.view("<u4").reshape(-1)
    fours = np.empty((len(bits), 4), "<u4")
    fours[:, 0::2] = pairs & _each(0x0F)
    fours[:, 1::2] = pairs >> np.uint32(2) & _each(0x3C)
    fours[:, 0] |= bits & _each(0x30)
    fours[:, 1] |= bits >> np.uint32(2) & _each(0x03)
    fours[:, 2] |= bits >> np.uint32(2) & _each(0x30)
    fours[:, 3] |= bits & _each(0x03)
    return fours.view(np.uint8).reshape(len(words), -1)


def _each(byte: int) -> np.uint32:
    """A word of this byte."""
    return np.uint32(byte * 0x01010101)


def unpack_two_bits(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Undo `pack_two_bits`: bytes [n, K/4] -> codes [n, K]."""
    return ((plane[..., None] >> _SHIFTS) & np.uint8(3)).reshape(len(plane), -1)


def unpack_bits(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Bytes [n, K/8] -> bits [n, K], the lowest k being the lowest bit."""
    return np.unpackbits(plane, axis=1, bitorder="little")


def gather_fours(codes: NDArray[np.uint8], ways: int) -> NDArray[np.uint8]:
    """Undo the order of `pack_fours`.

    Args:
        codes: [n, K], in the order of their places.
        ways: Fours that share a run of places.

    Returns:
        [n, K] in ascending k.
    """
    runs = codes.reshape(len(codes), -1, 4, ways)
    return np.ascontiguousarray(runs.swapaxes(2, 3)).reshape(codes.shape)
