"""Make a GGUF file with every tensor of a listing, filled with seeded random, sane values.

    python -m tests.support.seeded_gguf LISTING OUT.gguf [--layers N] [--seed N]

A listing is `{"metadata": {key: text}, "tensors": [{"name", "type", "shape"}]}`, shapes in GGUF's
order; a key's value may also be of its own type. The file is streamed, so a big one needs little
memory.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFWriter
from numpy.typing import NDArray

from tests.support.make_gguf import add_metadata
from tests.support.seeing_shapes import TowerShape
from tests.support.vocabulary import FIRST_PLACE, make_vocabulary, with_image_tokens

CHUNK_NBYTES = 16 << 20
ALIGNMENT = 32
FILE_TYPES = {"F16": 1, "Q4_0": 2, "Q4_1": 3, "Q4_K_M": 15}  # Source: llama.h, enum llama_ftype
Fill = Callable[[np.random.Generator, int, int], NDArray[np.uint8]]
"""(generator, number of blocks, in_features) -> blocks [n, bytes per block]."""


def fill_f32(rng: np.random.Generator, count: int, in_features: int) -> NDArray[np.uint8]:
    """Norm gains near 1."""
    values = 1 + 0.1 * rng.standard_normal((count, 1), np.float32)
    return values.astype("<f4").view(np.uint8)


def fill_f16(rng: np.random.Generator, count: int, in_features: int) -> NDArray[np.uint8]:
    """Weights of standard deviation 1/sqrt(in_features)."""
    values = rng.standard_normal((count, 1), np.float32) / math.sqrt(in_features)
    return values.astype("<f2").view(np.uint8)


def fill_q4_0(rng: np.random.Generator, count: int, in_features: int) -> NDArray[np.uint8]:
    """Blocks of d f16, 32 codes of 4 bits; the weight is d (q - 8)."""
    blocks = _random_bytes(rng, count, 18)
    blocks[:, 0:2] = _scales(rng, count, 1 / (4.64 * math.sqrt(in_features))).view(np.uint8)
    return blocks


def fill_q4_1(rng: np.random.Generator, count: int, in_features: int) -> NDArray[np.uint8]:
    """Blocks of d f16, m f16, 32 codes of 4 bits; the weight is d q + m."""
    blocks = _random_bytes(rng, count, 20)
    # A uniform code 0 .. 15 has a mean of 7.5 and a standard deviation of 4.61.
    scale = _scales(rng, count, 1 / (4.61 * math.sqrt(in_features)))
    blocks[:, 0:2] = scale.view(np.uint8)
    blocks[:, 2:4] = (-7.5 * scale.astype(np.float32)).astype("<f2").view(np.uint8)
    return blocks


def fill_q4_k(rng: np.random.Generator, count: int, in_features: int) -> NDArray[np.uint8]:
    """Blocks of d, dmin f16, 8 pairs of 6-bit s and m, 256 codes; the weight is d s q - dmin m."""
    blocks = _random_bytes(rng, count, 144)
    # With m = s and dmin = 7.5 d the weight is d s (q - 7.5); s has a mean square of 1323.
    blocks[:, 8:12] = blocks[:, 4:8]
    blocks[:, 12:16] = (blocks[:, 12:16] & 0xF) * 17
    scale = _scales(rng, count, 1 / (4.61 * math.sqrt(1323 * in_features)))
    blocks[:, 0:2] = scale.view(np.uint8)
    blocks[:, 2:4] = (7.5 * scale.astype(np.float32)).astype("<f2").view(np.uint8)
    return blocks


def fill_q6_k(rng: np.random.Generator, count: int, in_features: int) -> NDArray[np.uint8]:
    """Blocks of 256 codes of 6 bits, 16 scales i8, d f16; the weight is d s (q - 32)."""
    blocks = _random_bytes(rng, count, 210)
    # A uniform code has a standard deviation of 18.5; scales 8 .. 15 are 11.5 on average.
    blocks[:, 192:208] = blocks[:, 192:208] % 8 + 8
    scale = _scales(rng, count, 1 / (18.5 * 11.7 * math.sqrt(in_features)))
    blocks[:, 208:210] = scale.view(np.uint8)
    return blocks


def fill_bias(rng: np.random.Generator, count: int, in_features: int) -> NDArray[np.uint8]:
    """Float32 near 0."""
    return (0.1 * rng.standard_normal((count, 1), np.float32)).astype("<f4").view(np.uint8)


FILLS: dict[str, Fill] = {
    "F32": fill_f32,
    "F16": fill_f16,
    "Q4_0": fill_q4_0,
    "Q4_1": fill_q4_1,
    "Q4_K": fill_q4_k,
    "Q6_K": fill_q6_k,
}


def _text_model(
    architecture: str,
    file_type: str,
    keys: dict[str, Any],
    tensors: list[tuple[str, str, list[int]]],
) -> dict[str, Any]:
    """The listing of a Gemma: `keys` are the architecture's own."""
    return {
        "metadata": {
            "general.architecture": architecture,
            "general.file_type": file_type,
            "tokenizer.ggml.model": "llama",
            "tokenizer.ggml.add_bos_token": "true",
            "tokenizer.ggml.bos_token_id": "2",
            "tokenizer.ggml.eos_token_id": "1",
            "tokenizer.ggml.padding_token_id": "0",
            "tokenizer.ggml.unknown_token_id": "3",
            **{f"{architecture}.{key}": str(value) for key, value in keys.items()},
        },
        "tensors": [{"name": name, "type": kind, "shape": shape} for name, kind, shape in tensors],
    }


def gemma2_2b_q4_k_m() -> dict[str, Any]:
    """The listing of Gemma 2 2B as llama-quantize writes it for Q4_K_M.

    Source of the mix: llama.cpp's llama_tensor_get_type: the embedding is Q6_K, and so are the
    values' and the down projections of the first and last eighth and every third layer between.
    """
    hidden, wide, heads, kv, layers = 2304, 9216, 8 * 256, 4 * 256, 26
    tensors: list[tuple[str, str, list[int]]] = [
        ("token_embd.weight", "Q6_K", [hidden, 256_000]),
        ("output_norm.weight", "F32", [hidden]),
    ]
    for i in range(layers):
        eighth = layers // 8
        more = i < eighth or i >= 7 * layers // 8 or (i - eighth) % 3 == 2
        better = "Q6_K" if more else "Q4_K"
        shapes = {
            "attn_norm": ("F32", [hidden]),
            "attn_q": ("Q4_K", [hidden, heads]),
            "attn_k": ("Q4_K", [hidden, kv]),
            "attn_v": (better, [hidden, kv]),
            "attn_output": ("Q4_K", [heads, hidden]),
            "post_attention_norm": ("F32", [hidden]),
            "ffn_norm": ("F32", [hidden]),
            "ffn_gate": ("Q4_K", [hidden, wide]),
            "ffn_up": ("Q4_K", [hidden, wide]),
            "ffn_down": (better, [wide, hidden]),
            "post_ffw_norm": ("F32", [hidden]),
        }
        tensors += [(f"blk.{i}.{name}.weight", *shape) for name, shape in shapes.items()]
    keys = {
        "attention.head_count": 8,
        "attention.head_count_kv": 4,
        "attention.key_length": 256,
        "attention.value_length": 256,
        "attention.layer_norm_rms_epsilon": "1e-06",
        "attention.sliding_window": 4096,
        "attn_logit_softcapping": 50.0,
        "final_logit_softcapping": 30.0,
        "block_count": layers,
        "context_length": 8192,
        "embedding_length": hidden,
        "feed_forward_length": wide,
    }
    return _text_model("gemma2", "Q4_K_M", keys, tensors)


def gemma_300m_q4_0() -> dict[str, Any]:
    """The listing of a small model of Gemma 1's shape, 173 MB, to be timed in browsers."""
    hidden, wide, layers, heads, head_dim = 1024, 6144, 12, 4, 256
    tensors: list[tuple[str, str, list[int]]] = [
        ("token_embd.weight", "Q6_K", [hidden, 32_000]),
        ("output_norm.weight", "F32", [hidden]),
    ]
    for i in range(layers):
        shapes = {
            "attn_norm": ("F32", [hidden]),
            "attn_q": ("Q4_0", [hidden, heads * head_dim]),
            "attn_k": ("Q4_0", [hidden, head_dim]),
            "attn_v": ("Q4_0", [hidden, head_dim]),
            "attn_output": ("Q4_0", [heads * head_dim, hidden]),
            "ffn_norm": ("F32", [hidden]),
            "ffn_gate": ("Q4_0", [hidden, wide]),
            "ffn_up": ("Q4_0", [hidden, wide]),
            "ffn_down": ("Q4_0", [wide, hidden]),
        }
        tensors += [(f"blk.{i}.{name}.weight", *shape) for name, shape in shapes.items()]
    keys = {
        "attention.head_count": heads,
        "attention.head_count_kv": 1,
        "attention.key_length": head_dim,
        "attention.value_length": head_dim,
        "attention.layer_norm_rms_epsilon": "1e-06",
        "block_count": layers,
        "context_length": 8192,
        "embedding_length": hidden,
        "feed_forward_length": wide,
    }
    return _text_model("gemma", "Q4_0", keys, tensors)


def so400m_mmproj() -> dict[str, Any]:
    """The listing of the tower of PaliGemma 3B at 224 pixels, SigLIP So400m, as F16."""
    tower = TowerShape()
    tensors = [
        {
            "name": name,
            "type": "F32" if len(shape) == 1 or "position" in name else "F16",
            "shape": list(reversed(shape)),
        }
        for name, shape in tower.tensors().items()
    ]
    metadata = {"general.architecture": "clip", "general.file_type": "F16", **tower.keys()}
    return {"metadata": metadata, "tensors": tensors}


LISTINGS = {
    "gemma-300m-Q4_0": gemma_300m_q4_0,
    "gemma-2-2b-Q4_K_M": gemma2_2b_q4_k_m,
    "so400m-mmproj": so400m_mmproj,
}
"""Files that have no listing of their own, by the name to give in place of one."""


def write_seeded_gguf(
    listing: dict[str, Any], out: Path, *, layers: int | None = None, seed: int = 0
) -> Path:
    """Write the file.

    Args:
        listing: the parsed listing.
        out: where.
        layers: keep only the first layers.
        seed: of everything that is random.
    """
    architecture = listing["metadata"]["general.architecture"]
    tensors = [t for t in listing["tensors"] if _layer(t["name"]) < (layers or math.inf)]
    metadata = _metadata(listing)
    if layers is not None:
        metadata[f"{architecture}.block_count"] = layers
    for tensor in tensors:
        if tensor["name"] == "token_embd.weight":
            metadata |= _vocabulary(tensor["shape"][1], seed)
    _write_head(out, architecture, metadata, tensors)
    rng = np.random.Generator(np.random.SFC64(seed))
    with out.open("ab") as file:
        for tensor in tensors:
            file.write(bytes(-file.tell() % ALIGNMENT))
            for chunk in _chunks(rng, tensor):
                file.write(chunk.data)
        file.write(bytes(-file.tell() % ALIGNMENT))
    return out


def _write_head(
    out: Path, architecture: str, metadata: dict[str, Any], tensors: list[dict[str, Any]]
) -> None:
    writer = GGUFWriter(out, architecture)
    add_metadata(writer, metadata)
    for tensor in tensors:
        kind = GGMLQuantizationType[tensor["type"]]
        block_size, block_nbytes = GGML_QUANT_SIZES[kind]
        inner, *outer = tensor["shape"]
        row_nbytes = inner // block_size * block_nbytes
        # For uint8 data gguf-py takes the shape in bytes, outermost first.
        shape = [*reversed(outer), row_nbytes]
        dtype = np.dtype(np.uint8)
        writer.add_tensor_info(tensor["name"], shape, dtype, math.prod(shape), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()


def _vocabulary(size: int, seed: int) -> dict[str, Any]:
    """The keys of a vocabulary; one larger than Gemma's is PaliGemma's."""
    vocabulary = make_vocabulary(size, seed)
    if size > FIRST_PLACE:
        vocabulary = with_image_tokens(vocabulary)
    return {
        "tokenizer.ggml.tokens": vocabulary.tokens,
        "tokenizer.ggml.scores": vocabulary.scores,
        "tokenizer.ggml.token_type": vocabulary.types,
    }


def _metadata(listing: dict[str, Any]) -> dict[str, Any]:
    """The listing's keys with values of their types; without arrays and the architecture."""
    found: dict[str, Any] = {}
    for key, text in listing["metadata"].items():
        if not isinstance(text, str):
            found[key] = text
            continue
        if key == "general.architecture" or text.startswith("["):
            continue
        if key == "general.file_type":
            found[key] = FILE_TYPES[text] if text in FILE_TYPES else int(text)
        elif text in ("true", "false"):
            found[key] = text == "true"
        elif text.isdecimal():
            found[key] = int(text)
        else:
            found[key] = float(text) if key.endswith(("epsilon", "softcapping")) else text
    return found


def _chunks(rng: np.random.Generator, tensor: dict[str, Any]) -> Iterator[NDArray[np.uint8]]:
    """The bytes of one tensor, some MiB at a time."""
    kind, shape = tensor["type"], tensor["shape"]
    is_gain = len(shape) == 1 and not tensor["name"].endswith(".bias")
    fill = fill_bias if kind == "F32" and not is_gain else FILLS[kind]
    # A row of a patch embedding is a whole patch: all dimensions but the last.
    in_features = math.prod(shape[:-1]) if len(shape) > 1 else shape[0]
    block_size, block_nbytes = GGML_QUANT_SIZES[GGMLQuantizationType[kind]]
    left = math.prod(shape) // block_size
    while left:
        count = min(left, CHUNK_NBYTES // block_nbytes)
        yield np.ascontiguousarray(fill(rng, count, in_features))
        left -= count


def _random_bytes(rng: np.random.Generator, count: int, nbytes: int) -> NDArray[np.uint8]:
    """[count, nbytes], writable."""
    words = rng.integers(0, 1 << 64, -(-count * nbytes // 8), np.uint64)
    return words.view(np.uint8)[: count * nbytes].reshape(count, nbytes)


def _scales(rng: np.random.Generator, count: int, mean: float) -> NDArray[np.float16]:
    """[count, 1] f16 scales within a fifth of their mean."""
    return (mean * rng.uniform(0.8, 1.2, (count, 1))).astype("<f2")


def _layer(name: str) -> int:
    match = re.match(r"blk\.(\d+)\.", name)
    return int(match[1]) if match else -1


def main() -> None:
    """Parse the arguments and write the file."""
    parser = argparse.ArgumentParser(description="Make a GGUF of seeded random weights.")
    parser.add_argument("listing", help="a file, or one of: " + ", ".join(LISTINGS))
    parser.add_argument("out", type=Path)
    parser.add_argument("--layers", type=int)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    known = LISTINGS.get(args.listing)
    listing = known() if known else json.loads(Path(args.listing).read_text())
    write_seeded_gguf(listing, args.out, layers=args.layers, seed=args.seed)


if __name__ == "__main__":
    main()
