"""Write sentencepiece models byte by byte, without the protobuf package."""

from __future__ import annotations

import itertools
import random
import struct
from collections.abc import Iterable

Piece = tuple[str, float, int]
"""Text, score and type of a piece, as in sentencepiece_model.proto."""
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)


def varint(value: int) -> bytes:
    """Encode a non-negative integer of protobuf."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: int | float | bytes) -> bytes:
    """Encode one protobuf field: an integer, a 32-bit float or bytes."""
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    return varint(number << 3) + varint(value)


def write_model(
    pieces: Iterable[Piece],
    *,
    model_type: int = 2,
    add_dummy_prefix: int = 0,
    remove_extra_whitespaces: int = 0,
    byte_fallback: int = 1,
    charsmap: bytes = b"",
) -> bytes:
    """Serialize a ModelProto: pieces, TrainerSpec and NormalizerSpec."""
    content = b"".join(
        field(1, field(1, text.encode()) + field(2, float(score)) + field(3, kind))
        for text, score, kind in pieces
    )
    content += field(2, field(3, model_type) + field(35, byte_fallback))
    normalizer = field(1, b"identity") + field(2, charsmap) + field(3, add_dummy_prefix)
    return content + field(3, normalizer + field(4, remove_extra_whitespaces))


def base_pieces(*, has_bytes: bool = True) -> list[Piece]:
    """List what every model here starts with: padding, EOS, BOS, unknown, and the bytes."""
    first = [("<pad>", 0.0, CONTROL), ("<eos>", 0.0, CONTROL), ("<bos>", 0.0, CONTROL)]
    first.append(("<unk>", 0.0, UNKNOWN))
    return first + [(f"<0x{byte:02X}>", 0.0, BYTE) for byte in range(256 * has_bytes)]


def random_pieces(
    source: random.Random, alphabet: str, count: int, *, user_defined: Iterable[str] = ()
) -> list[Piece]:
    """Make a vocabulary as a trainer would, by joining pieces, but with scores in any order.

    Args:
        source: the random numbers.
        alphabet: the single characters.
        count: how many joined pieces.
        user_defined: fixed pieces besides.
    """
    fixed = list(user_defined)
    joined: list[str] = []
    for _ in range(20 * count):
        parts = [*alphabet, *joined]
        piece = source.choice(parts) + source.choice(parts)
        if len(joined) < count and len(piece) <= 9 and piece not in parts and piece not in fixed:
            joined.append(piece)
    source.shuffle(joined)
    trained = [*joined, *(char for char in alphabet if char not in fixed)]
    return [
        *base_pieces()[:4],
        *((piece, 0.0, USER_DEFINED) for piece in fixed),
        *base_pieces()[4:],
        *((piece, -float(index), NORMAL) for index, piece in enumerate(trained)),
    ]


def synthetic_pieces(count: int, seed: int = 1) -> list[Piece]:
    """Make a vocabulary of the size and shape of Gemma's: words of letters, and rare characters.

    With 256,000 pieces it has some 800,000 merges; Gemma's own has about 600,000.

    Args:
        count: how many pieces in all, at least 100,000.
        seed: of the random numbers.
    """
    source = random.Random(seed)
    ranges = ((33, 127), (0xA1, 0x17F), (0x391, 0x3CA), (0x410, 0x450), (0x4E00, 0x5A00))
    characters = [chr(code) for first, end in ranges for code in range(first, end)] + ["\u2581"]
    fixed = ["\n" * size for size in range(1, 32)] + ["\u2581" * size for size in range(2, 32)]
    # All words of four letters up to a length, so that every way to cut one is a merge.
    words = itertools.chain.from_iterable(itertools.product("etao", repeat=k) for k in range(2, 9))
    joined = list(map("".join, words))
    seen = {*characters, *fixed, *joined}
    parts = ["\u2581", *"etaoinshrdlu"]
    while len(joined) < count - 260 - len(fixed) - len(characters):
        is_rare = source.random() < 0.02
        pool = characters if is_rare else parts
        piece = source.choice(pool) + source.choice(pool)
        if len(piece) > 12 or piece in seen:
            continue
        seen.add(piece)
        joined.append(piece)
        parts.append(piece)
        if len(parts) > 4000:
            del parts[3000:]
    trained = joined + characters
    return [
        *base_pieces()[:4],
        *((piece, 0.0, USER_DEFINED) for piece in fixed),
        *base_pieces()[4:],
        *((piece, -float(index), NORMAL) for index, piece in enumerate(trained)),
    ]
