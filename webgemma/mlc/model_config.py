"""The numbers of a model as MLC's configuration classes name them.

Source: mlc-llm python/mlc_llm/model/*/*_model.py. Keys that those classes do not
have (max_position_embeddings) MLC carries along; they tell our own reader what it leaves out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from webgemma.architectures import gemma3
from webgemma.architectures.config import KeyReader
from webgemma.architectures.rope import LLAMA3_NUMBERS, read_rope
from webgemma.checkpoint import Checkpoint
from webgemma.errors import UnsupportedError
from webgemma.mlc.chat_config import MAX_PREFILL_CHUNK

Numbers = dict[str, Any]
LM_HEAD, ROPE_FREQS = "output.weight", "rope_freqs.weight"  # in GGUF
GEMMA3_ONLY_OUTER = ("vocab_size", "tensor_parallel_shards", "max_batch_size")
GEMMA3_OUTER = (
    *GEMMA3_ONLY_OUTER, "context_window_size", "sliding_window_size", "prefill_chunk_size",
)  # fmt: skip
"""Keys of Gemma3Config that stand beside text_config."""
GEMMA3_CONTEXT = 8192  # MLC's own, where the window is no longer
MAX_BATCH_SIZE = 128  # gen_config's default
SIGNIFICANT = 7  # decimal digits of a float32, as which GGUF stores numbers


def model_numbers(checkpoint: Checkpoint) -> Numbers:
    """All numbers of a model, under MLC's names; `lower` has checked what they are made of.

    Raises:
        UnsupportedError: MLC has no such model.
    """
    numbers = _FAMILIES[checkpoint.architecture](KeyReader(checkpoint))
    return numbers | {
        "prefill_chunk_size": min(numbers["context_window_size"], MAX_PREFILL_CHUNK),
        "tensor_parallel_shards": 1,
        "max_batch_size": MAX_BATCH_SIZE,
    }


def model_config(model_type: str, numbers: Numbers) -> Numbers:
    """The numbers as "model_config" holds them: Gemma 3's mostly in text_config."""
    if model_type != "gemma3_text":
        return numbers
    outer = {key: numbers[key] for key in GEMMA3_OUTER}
    text = {key: value for key, value in numbers.items() if key not in GEMMA3_ONLY_OUTER}
    return {"text_config": text, **outer, "is_text_model": True}


def _shared(keys: KeyReader) -> Numbers:
    """What all of MLC's configuration classes have."""
    heads = keys.integer("num_attention_heads", 256)
    hidden_size = keys.integer("hidden_size", 65536)
    head_dim = 256 if keys.checkpoint.architecture == "gemma2" else hidden_size // heads
    return {
        "hidden_size": hidden_size,
        "intermediate_size": keys.integer("intermediate_size", 1 << 20),
        "num_attention_heads": heads,
        "num_key_value_heads": keys.integer("num_key_value_heads", 256, heads),
        "head_dim": keys.integer("head_dim", 512, head_dim),
        "num_hidden_layers": keys.integer("num_hidden_layers", 256),
        "rms_norm_eps": rounded(keys.number("rms_norm_eps", 1e-6)),
        "vocab_size": keys.vocab_size(),
        "position_embedding_base": rounded(read_rope(keys, 10000.0).theta),
    }


def _gemma(keys: KeyReader) -> Numbers:
    """GemmaConfig."""
    return _shared(keys) | {
        "attention_bias": False,
        "hidden_activation": "gelu_pytorch_tanh",
        "tie_word_embeddings": True,
        "context_window_size": keys.integer("max_position_embeddings", 1 << 20, 8192),
    }


def _gemma2(keys: KeyReader) -> Numbers:
    """Gemma2Config: MLC cuts the context to the window, as it has no local attention there."""
    numbers = _gemma(keys)
    window = keys.integer("sliding_window", 1 << 20, 4096)
    is_27b = numbers["num_hidden_layers"] == 46
    scalar = numbers["hidden_size"] / numbers["num_attention_heads"] if is_27b else None
    found = keys.number("query_pre_attn_scalar", scalar or numbers["head_dim"])
    return numbers | {
        "attn_logit_softcapping": rounded(keys.softcap("attn_logit_softcapping", 50.0)) or None,
        "final_logit_softcapping": rounded(keys.softcap("final_logit_softcapping", 30.0)) or None,
        "query_pre_attn_scalar": rounded(found),
        "sliding_window": window,
        "context_window_size": min(window, numbers["context_window_size"]),
        "max_position_embeddings": numbers["context_window_size"],
    }


def _gemma3(keys: KeyReader) -> Numbers:
    """Gemma3TextConfig, and what MLC leaves out: its layers share one rope, unscaled."""
    config = gemma3.config_of(keys)
    c, ropes = config.decoder, gemma3.ropes_of(keys)
    window = max(config.windows)
    if ropes["rope_local"].kind != "default" or ropes["rope"].kind not in ("default", "linear"):
        raise UnsupportedError(
            f"{keys.checkpoint.path}: the rotary scaling of this Gemma 3 is not supported (have "
            "linear, of global layers). Build a site from the model instead."
        )
    scale = ropes["rope"].factor
    kinds = ("full_attention", "sliding_attention")
    return {
        "hidden_size": c.hidden_size,
        "intermediate_size": c.intermediate_size,
        "num_hidden_layers": c.num_hidden_layers,
        "attention_bias": False,
        "num_attention_heads": c.num_attention_heads,
        "num_key_value_heads": c.num_key_value_heads,
        "head_dim": c.head_dim,
        "rms_norm_eps": rounded(c.rms_norm_eps),
        "hidden_activation": "gelu_pytorch_tanh",
        "position_embedding_base": rounded(ropes["rope"].theta),
        "rope_scaling": {"rope_type": "linear", "factor": scale} if scale != 1 else 0,
        "context_window_size": max(window, GEMMA3_CONTEXT),
        "query_pre_attn_scalar": rounded(c.attention_scale**-2),
        "sliding_window_size": window,
        "vocab_size": c.vocab_size,
        "tie_word_embeddings": True,
        "max_position_embeddings": c.max_position_embeddings,
        "rope_local_base_freq": rounded(ropes["rope_local"].theta),
        "layer_types": [kinds[bool(size)] for size in config.windows],
    }


def _llama(keys: KeyReader) -> Numbers:
    """LlamaConfig."""
    if keys.is_gguf:
        is_tied = LM_HEAD not in keys.checkpoint.tensors
    else:
        is_tied = keys.flag("tie_word_embeddings", False)
    return _shared(keys) | {
        "tie_word_embeddings": is_tied,
        "rope_scaling": _rope_scaling(keys),
        "context_window_size": keys.integer("max_position_embeddings", 1 << 20, 2048),
        "pipeline_parallel_stages": 1,
        "disaggregation": False,
    }


def _rope_scaling(keys: KeyReader) -> Numbers | None:
    """Llama 3's scaling, or none: MLC knows no other.

    Raises:
        UnsupportedError: it is another, or a GGUF file has only what it comes to.
    """
    rope = read_rope(keys, 10000.0)
    if keys.is_gguf and ROPE_FREQS in keys.checkpoint.tensors:
        raise UnsupportedError(
            f"{keys.checkpoint.path}: tensor {ROPE_FREQS!r}: scaled rotary frequencies are not "
            "supported here, as MLC needs the numbers they come from. Convert from the model's "
            "Hugging Face folder."
        )
    if rope.kind == "default":
        return None
    if rope.kind != "llama3":
        raise UnsupportedError(
            f"{keys.checkpoint.path}: rotary scaling {rope.kind!r} is not supported by MLC's Llama "
            "(have llama3). Build a site from the model instead."
        )
    return {
        "rope_type": "llama3",
        **{name: rounded(getattr(rope, name)) for name in ("factor", *LLAMA3_NUMBERS)},
    }


def rounded(value: float) -> float | int:
    """A number as people write it: what a float32 of a file stands for, integers without a dot."""
    short = float(f"{value:.{SIGNIFICANT}g}")
    return int(short) if short.is_integer() else short


_FAMILIES: dict[str, Callable[[KeyReader], Numbers]] = {
    "gemma": _gemma,
    "gemma2": _gemma2,
    "gemma3": _gemma3,
    "gemma3_text": _gemma3,
    "llama": _llama,
}
