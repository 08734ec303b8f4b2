"""Write Opal as a Hugging Face checkpoint folder that transformers and webgemma read."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import PaliGemmaForConditionalGeneration

from .model import IMAGE_SIZE, NUM_PATCHES
from .tokenizer_json import BOS, EOS, PAD, tokenizer_json

STORED_AS = torch.float16
SUGGESTED_PROMPTS = ("caption en", "how many circles?", "detect star", "detect red shape")
"""What the page offers to ask first; webgemma's own key of generation_config.json."""


def generation_config() -> dict[str, Any]:
    """Where to stop, and greedy by default."""
    return {
        "bos_token_id": BOS,
        "eos_token_id": EOS,
        "pad_token_id": PAD,
        "do_sample": False,
        "prompts": list(SUGGESTED_PROMPTS),
    }


def preprocessor_config() -> dict[str, Any]:
    """How a picture becomes pixel values: bicubic, then -1 to 1 (SigLIP's numbers)."""
    return {
        "image_processor_type": "SiglipImageProcessor",
        "processor_class": "PaliGemmaProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"height": IMAGE_SIZE, "width": IMAGE_SIZE},
        "resample": 3,  # PIL's bicubic
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "image_seq_length": NUM_PATCHES,
    }


def tokenizer_config() -> dict[str, Any]:
    """Names of the control tokens; the prompt's layout is PaliGemmaProcessor's."""
    return {
        "add_bos_token": True,
        "add_eos_token": False,
        "bos_token": "<bos>",
        "clean_up_tokenization_spaces": False,
        "eos_token": "<eos>",
        "extra_special_tokens": {"image_token": "<image>"},
        "model_max_length": 512,
        "pad_token": "<pad>",
        "processor_class": "PaliGemmaProcessor",
        "tokenizer_class": "GemmaTokenizer",
        "unk_token": "<unk>",
    }


def write_checkpoint(folder: Path, model: PaliGemmaForConditionalGeneration) -> None:
    """Write the weights, rounded to float16, and every file beside them.

    The folder is written beside its place and moved there, so that readers see all of it or none.
    """
    half = folder.with_name(folder.name + ".part")
    shutil.rmtree(half, ignore_errors=True)
    copy.deepcopy(model).to(STORED_AS).save_pretrained(half)
    for name, content in (
        ("generation_config.json", generation_config()),
        ("preprocessor_config.json", preprocessor_config()),
        ("tokenizer.json", tokenizer_json()),
        ("tokenizer_config.json", tokenizer_config()),
    ):
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        (half / name).write_text(text, encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    half.rename(folder)
