"""Tiny random models of every family, made by transformers: the reference for logits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

VOCAB = 700  # of tests/fixtures/tokenizer.model
WINDOW = 32
SHAPE: dict[str, Any] = {
    "vocab_size": VOCAB, "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 24,
    "max_position_embeddings": 256, "attn_implementation": "eager",
    "bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0,
}  # fmt: skip


def _gemma() -> Any:
    from transformers import GemmaConfig, GemmaForCausalLM

    return GemmaForCausalLM(GemmaConfig(**SHAPE))


def _gemma2() -> Any:
    from transformers import Gemma2Config, Gemma2ForCausalLM

    config = Gemma2Config(
        **SHAPE, sliding_window=WINDOW, query_pre_attn_scalar=20,
        attn_logit_softcapping=20.0, final_logit_softcapping=10.0,
    )  # fmt: skip
    return Gemma2ForCausalLM(config)


def _gemma3(**changes: Any) -> Any:
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    shape = {**SHAPE, "num_hidden_layers": 7, "sliding_window": WINDOW}
    return Gemma3ForCausalLM(Gemma3TextConfig(**shape, query_pre_attn_scalar=20, **changes))


def _llama(**changes: Any) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(LlamaConfig(**{**SHAPE, **changes}))


def _qwen3(**changes: Any) -> Any:
    from transformers import Qwen3Config, Qwen3ForCausalLM

    return Qwen3ForCausalLM(Qwen3Config(**{**SHAPE, **changes}))


LLAMA3_ROPE = {
    "rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0,
    "high_freq_factor": 4.0, "original_max_position_embeddings": 64,
}  # fmt: skip
"""With the head_dim of SHAPE: frequencies that stay, that are blended and that are divided."""

GEMMA3_ROPE = {
    "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 3000.0},
    "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
}

MODELS: dict[str, Callable[[], Any]] = {
    "gemma": _gemma,
    "gemma2": _gemma2,
    "gemma3": _gemma3,
    "gemma3-linear": lambda: _gemma3(rope_parameters=GEMMA3_ROPE),
    "llama": _llama,
    "llama-tied": lambda: _llama(tie_word_embeddings=True, num_key_value_heads=1),
    "llama-rope3": lambda: _llama(rope_parameters=LLAMA3_ROPE, num_key_value_heads=4),
    "llama-linear": lambda: _llama(
        rope_parameters={"rope_type": "linear", "rope_theta": 500.0, "factor": 4.0}
    ),
    "qwen3": _qwen3,
    "qwen3-tied": lambda: _qwen3(tie_word_embeddings=True, num_key_value_heads=4),
}
"""Name -> a function that makes the model, its weights not yet set."""


def make_model(name: str) -> Any:
    """A seeded model of this name, float32."""
    return set_weights(MODELS[name](), name)


def set_weights(model: Any, family: str) -> Any:
    """Seed a model's weights: sharp attention, gains near 1, logits of some units."""
    import torch

    torch.manual_seed(0)
    mean = 0.0 if family.startswith("gemma") else 1.0  # of a norm: Gemma stores gain - 1
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            values = torch.randn_like(parameter)
            if "norm" in key:
                parameter.copy_(mean + 0.3 * values)
            else:
                scale = 2.0 if "q_proj" in key else 1.0
                parameter.copy_(scale * values / parameter.shape[-1] ** 0.5)
    return model.eval()
