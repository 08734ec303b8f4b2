"""What a model is: the numbers people know it by, and its documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from webgemma.architectures.config import KeyReader
from webgemma.checkpoint import Checkpoint
from webgemma.inspect.facts import shorten
from webgemma.progress import format_bytes

Config = Mapping[str, Any]
"""Hugging Face's names -> values, as in webgemma.json's "config"."""

GATED_UNITS = {"gelu_tanh": "GeGLU", "gelu_pytorch_tanh": "GeGLU", "silu": "SwiGLU"}
"""Activation of the gate -> what the gated unit is called."""


def model_rows(config: Config) -> list[tuple[str, str]]:
    """What a model is, a row each; what its configuration does not say is left out."""
    rows = [(label, say(config)) for label, say in ROWS.items()]
    return [(label, text) for label, text in rows if text]


def _count(name: str, unit: str = "") -> Callable[[Config], str]:
    def say(config: Config) -> str:
        value = config.get(name)
        if value is None:
            return ""
        shown = f"{value:,}" if isinstance(value, int) else shorten(value)
        return f"{shown}{unit}"

    return say


def _attention(config: Config) -> str:
    heads, kv = config.get("num_attention_heads"), config.get("num_key_value_heads")
    if not isinstance(heads, int):
        return ""
    if kv is None or kv == heads:
        return "multi-head"
    return "multi-query" if kv == 1 else "grouped-query"


def _activation(config: Config) -> str:
    name = config.get("activation")
    if name is None:
        return ""
    unit = GATED_UNITS.get(str(name))
    return f"{unit} ({shorten(name)})" if unit else shorten(name)


def _norm(config: Config) -> str:
    for key, name in (("rms_norm_eps", "RMSNorm"), ("layer_norm_eps", "LayerNorm")):
        if isinstance(config.get(key), float):
            return f"{name}, epsilon {config[key]:g}"
    return ""


ROWS: Mapping[str, Callable[[Config], str]] = {
    "vocabulary": _count("vocab_size", " tokens"),
    "context": _count("max_position_embeddings", " tokens"),
    "layers": _count("num_hidden_layers"),
    "hidden size": _count("hidden_size"),
    "feed-forward": _count("intermediate_size"),
    "heads": _count("num_attention_heads"),
    "key-value heads": _count("num_key_value_heads"),
    "head size": _count("head_dim"),
    "attention": _attention,
    "activation": _activation,
    "norm": _norm,
}
"""Label -> what to say under it."""


def read_config(checkpoint: Checkpoint) -> dict[str, Any]:
    """What the configuration of a source says by itself, whether or not the model is supported."""
    keys = KeyReader(checkpoint)
    nested = checkpoint.metadata.get("text_config")
    text = nested if isinstance(nested, Mapping) else {}
    found = {name: _first(keys.find(name)[1], text.get(name)) for name in NAMES}
    tokens = (checkpoint.tokenizer.gguf or {}).get("tokenizer.ggml.tokens")
    if tokens is not None:
        found["vocab_size"] = len(tokens)
    found["activation"] = _first(*(found.pop(name) for name in ACTIVATIONS))
    return {name: value for name, value in found.items() if value is not None}


ACTIVATIONS = ("hidden_activation", "hidden_act")
NAMES = (
    "vocab_size",
    "max_position_embeddings",
    "num_hidden_layers",
    "hidden_size",
    "intermediate_size",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "rms_norm_eps",
    "layer_norm_eps",
    *ACTIVATIONS,
)
"""What is looked up in a configuration of whatever architecture."""


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def licence_row(metadata: Mapping[str, Any], documents: Mapping[str, int]) -> tuple[str, str]:
    """The licence: what the metadata calls it, and the documents with their bytes."""
    named = [metadata[key] for key in ("general.license", "license") if metadata.get(key)]
    files = [f"{name} ({format_bytes(nbytes)})" for name, nbytes in documents.items()]
    return "licence", "; ".join([*map(shorten, named), *files]) or "not stated"
