"""Write Pebble as a Hugging Face checkpoint folder, each file whole or not at all."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from chat import CHAT_TEMPLATE, SPECIAL_TOKENS
from model import Config
from safetensors.torch import save
from torch import Tensor

STORED_AS = torch.float16


def model_config(config: Config) -> dict[str, Any]:
    """Return config.json: every Gemma 2 key, spelled out."""
    return {
        "architectures": ["Gemma2ForCausalLM"],
        "model_type": "gemma2",
        **asdict(config),
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": SPECIAL_TOKENS["<bos>"],
        "cache_implementation": "hybrid",
        "eos_token_id": SPECIAL_TOKENS["<eos>"],
        "hidden_act": "gelu_pytorch_tanh",
        "hidden_activation": "gelu_pytorch_tanh",
        "pad_token_id": SPECIAL_TOKENS["<pad>"],
        "tie_word_embeddings": True,
        "torch_dtype": "float16",
        "use_cache": True,
    }


SUGGESTED_PROMPTS = (
    "Tell me a story about a fox and a lantern",
    "What is 38 + 47?",
    "How do you run?",
    "What is the opposite of brave?",
)
"""What the page offers to ask first; webgemma's own key of generation_config.json."""


def generation_config() -> dict[str, Any]:
    """Return generation_config.json: where to stop, and greedy by default."""
    return {
        "bos_token_id": SPECIAL_TOKENS["<bos>"],
        "eos_token_id": [SPECIAL_TOKENS["<eos>"], SPECIAL_TOKENS["<end_of_turn>"]],
        "pad_token_id": SPECIAL_TOKENS["<pad>"],
        "do_sample": False,
        "prompts": list(SUGGESTED_PROMPTS),
    }


def tokenizer_config() -> dict[str, Any]:
    """Return tokenizer_config.json with Gemma's chat template."""
    added = {
        str(i): {"content": token, "lstrip": False, "normalized": False, "rstrip": False,
                 "single_word": False, "special": True}
        for token, i in SPECIAL_TOKENS.items()
    }  # fmt: skip
    return {
        "add_bos_token": True,
        "add_eos_token": False,
        "added_tokens_decoder": added,
        "additional_special_tokens": ["<start_of_turn>", "<end_of_turn>"],
        "bos_token": "<bos>",
        "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "eos_token": "<eos>",
        "model_max_length": Config().max_position_embeddings,
        "pad_token": "<pad>",
        "sp_model_kwargs": {},
        "spaces_between_special_tokens": False,
        "tokenizer_class": "GemmaTokenizer",
        "unk_token": "<unk>",
        "use_default_system_prompt": False,
    }


def write_whole(path: Path, content: bytes) -> None:
    """Write a file beside its place and move it there, so that readers never see half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(path.name + ".part")
    half.write_bytes(content)
    os.replace(half, path)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write indented JSON."""
    write_whole(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def write_checkpoint(folder: Path, weights: dict[str, Tensor], config: Config) -> None:
    """Write weights (rounded to float16) and the three config files."""
    rounded = {name: w.detach().to(STORED_AS).contiguous() for name, w in weights.items()}
    write_json(folder / "config.json", model_config(config))
    write_json(folder / "generation_config.json", generation_config())
    write_json(folder / "tokenizer_config.json", tokenizer_config())
    write_whole(folder / "model.safetensors", save(rounded, metadata={"format": "pt"}))
