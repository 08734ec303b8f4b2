"""The built-in model as GGUF files, its layers in any type and its embedding in Q6_K or better.

    python -m tests.support.pebble_gguf OUT TYPE...     writes OUT/<TYPE>.gguf each; no TYPE: all

gguf-py quantizes the older types; the others need llama.cpp's own quantizer (tests.support.llama).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType
from gguf.quants import dequantize, quantize
from numpy.typing import NDArray
from safetensors.numpy import load_file
from sentencepiece import SentencePieceProcessor

from tests.support import llama
from tests.support.make_gguf import TensorData, write_gguf
from webgemma.resources import built_in_model

Blocks = NDArray[np.uint8]
NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "post_feedforward_layernorm": "post_ffw_norm",
}
"""Hugging Face's names -> GGUF's."""
TYPES = ("F16", "Q8_0", "Q6_K", "Q5_K", "Q5_1", "Q5_0", "Q4_K", "Q4_1", "Q4_0", "IQ4_NL", "IQ4_XS",
         "MXFP4", "Q3_K", "IQ3_S", "IQ3_XXS", "Q2_K", "IQ2_S", "IQ2_XS", "IQ2_XXS", "TQ2_0",
         "TQ1_0", "IQ1_M", "IQ1_S")  # fmt: skip
"""From the most to the fewest bits."""
PLAIN = {"Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0"}
"""What gguf-py quantizes just as llama.cpp does."""
EMBEDDING = "token_embd.weight"
METADATA = {
    "general.name": "Pebble",
    "{arch}.context_length": 1024,
    "{arch}.embedding_length": 256,
    "{arch}.block_count": 4,
    "{arch}.feed_forward_length": 768,
    "{arch}.attention.head_count": 4,
    "{arch}.attention.head_count_kv": 2,
    "{arch}.attention.key_length": 64,
    "{arch}.attention.value_length": 64,
    "{arch}.attention.layer_norm_rms_epsilon": 1e-6,
    "{arch}.attention.sliding_window": 128,
    "{arch}.attn_logit_softcapping": 50.0,
    "{arch}.final_logit_softcapping": 30.0,
    "tokenizer.ggml.model": "llama",
    "tokenizer.ggml.pre": "default",
    "tokenizer.ggml.bos_token_id": 2,
    "tokenizer.ggml.eos_token_id": 1,
    "tokenizer.ggml.unknown_token_id": 3,
    "tokenizer.ggml.padding_token_id": 0,
    "tokenizer.ggml.add_bos_token": True,
    "tokenizer.ggml.add_eos_token": False,
    "tokenizer.ggml.add_space_prefix": False,
}


def weights() -> dict[str, NDArray[np.float32]]:
    """The checkpoint by GGUF's names; norms with their 1 added, as llama.cpp's converter does."""
    found = {}
    for name, tensor in load_file(built_in_model() / "model.safetensors").items():
        parts = name.removesuffix(".weight").removeprefix("model.layers.").partition(".")
        is_layer = name.startswith("model.layers.")
        ours = f"blk.{parts[0]}.{NAMES[parts[2]]}" if is_layer else NAMES[name[: -len(".weight")]]
        values = tensor.astype(np.float32)
        found[f"{ours}.weight"] = values + 1 if values.ndim == 1 else values
    return found


def quantized(kinds: Sequence[str]) -> dict[str, dict[str, TensorData]]:
    """Type -> the tensors of a file whose layers are of that type."""
    tensors = weights()
    matrices = {name: w for name, w in tensors.items() if w.ndim == 2}
    wanted = {kind: dict(matrices) for kind in kinds if kind not in (*PLAIN, "F16")}
    for kind in wanted:
        del wanted[kind][EMBEDDING]
    wanted["Q6_K"] = {**wanted.get("Q6_K", {}), EMBEDDING: matrices[EMBEDDING]}
    blocks = llama.quantize(wanted) if set(kinds) - {*PLAIN, "F16"} else {}
    return {kind: _tensors(kind, tensors, blocks) for kind in kinds}


def _tensors(
    kind: str,
    tensors: Mapping[str, NDArray[np.float32]],
    blocks: Mapping[str, Mapping[str, Blocks]],
) -> dict[str, TensorData]:
    """The tensors of one file."""
    found: dict[str, TensorData] = {}
    for name, values in tensors.items():
        own = "Q6_K" if name == EMBEDDING and kind not in (*PLAIN, "F16") else kind
        if values.ndim == 1:
            found[name] = values
        elif own == "F16":
            found[name] = values.astype(np.float16)
        elif own in PLAIN:
            found[name] = (own, quantize(values, GGMLQuantizationType[own]))
        else:
            found[name] = (own, blocks[own][name])
    return found


def decoded(tensors: Mapping[str, TensorData]) -> dict[str, NDArray[np.float64]]:
    """Name -> the values that a file's blocks stand for, by gguf-py."""
    found = {}
    for name, tensor in tensors.items():
        if isinstance(tensor, tuple):
            tensor = dequantize(tensor[1], GGMLQuantizationType[tensor[0]])
        found[name] = tensor.astype(np.float64)
    return found


def write(path: Path, tensors: Mapping[str, TensorData]) -> Path:
    """Write the file."""
    pieces = SentencePieceProcessor(model_file=str(built_in_model() / "tokenizer.model"))
    ids = range(pieces.vocab_size())
    metadata = {
        **METADATA,
        "tokenizer.ggml.tokens": [pieces.id_to_piece(i) for i in ids],
        "tokenizer.ggml.scores": [float(pieces.get_score(i)) for i in ids],
        "tokenizer.ggml.token_type": [_token_type(pieces, i) for i in ids],
    }
    return write_gguf(path, "gemma2", metadata, tensors)


def _token_type(pieces: SentencePieceProcessor, i: int) -> int:
    """Of llama.cpp's enum llama_token_type: 1 normal, 2 unknown, 3 control, 6 byte."""
    if pieces.is_control(i) or pieces.id_to_piece(i) in ("<start_of_turn>", "<end_of_turn>"):
        return 3
    if pieces.is_unknown(i):
        return 2
    return 6 if pieces.is_byte(i) else 1


def main() -> None:
    """Parse the arguments and write the files."""
    parser = argparse.ArgumentParser(description="Write the built-in model as GGUF files.")
    parser.add_argument("out", type=Path)
    parser.add_argument("types", nargs="*", metavar="TYPE", help="; ".join(TYPES))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for kind, tensors in quantized(arguments.types or TYPES).items():
        print(write(arguments.out / f"{kind}.gguf", tensors))


if __name__ == "__main__":
    main()
