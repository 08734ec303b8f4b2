"""mlc-chat-config.json: a model's numbers under Hugging Face's names, and how it is quantized.

Source: mlc-llm python/mlc_llm/protocol/mlc_chat_config.py, the configuration classes of
python/mlc_llm/model/*/*_model.py, and python/mlc_llm/quantization/quantization.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webgemma.errors import UnsupportedError
from webgemma.sources.files import broken, shown_value

CONFIG_NAME = "mlc-chat-config.json"


@dataclass(frozen=True, slots=True)
class Quantization:
    """One name of MLC's table, as far as a reader needs it."""

    type: str | None
    """Of quantized matrices; None if there are none."""
    scale_type: str = "F16"
    is_transposed: bool = False
    """Layout KN: codes and scales of a linear layer (not of the embedding) lie transposed."""
    group_size: int = 32


QUANTIZATIONS = {
    "q0f16": Quantization(None),
    "q0f32": Quantization(None),
    "q3f16_0": Quantization("Q3F16_1", is_transposed=True, group_size=40),
    "q3f16_1": Quantization("Q3F16_1", group_size=40),
    "q4f16_0": Quantization("Q4F16_1", is_transposed=True),
    "q4f16_1": Quantization("Q4F16_1"),
    "q4f16_2": Quantization("Q4F16_1"),  # embedding and head stay floats
    "q4f32_1": Quantization("Q4F32_1", scale_type="BF16"),
}

RENAMED = {
    "position_embedding_base": "rope_theta",
    "context_window_size": "max_position_embeddings",
    "sliding_window_size": "sliding_window",
}
"""MLC's name -> Hugging Face's, which goes first if it is there; 0 and -1 stand for nothing."""
MLC_ONLY = {
    "disaggregation", "is_text_model", "kwargs", "max_batch_size", "pipeline_parallel_stages",
    "prefill_chunk_size", "tensor_parallel_shards", "text_config", "attention_sink_size",
}  # fmt: skip
"""Keys of model_config that say how the model is to be compiled, not what it is."""
MODEL_TYPES = {"gemma3": "gemma3_text"}
"""MLC's model_type -> Hugging Face's, where they differ: MLC's gemma3 is the text tower."""
SAMPLING_KEYS = (
    "temperature", "top_p", "presence_penalty", "frequency_penalty", "repetition_penalty",
)  # fmt: skip
"""How tokens are chosen, under the names that generation_config.json has for it, too."""


def quantization_of(path: Path, config: dict[str, Any]) -> Quantization:
    """How the weights are quantized.

    Raises:
        UnsupportedError: in a way that is not known.
    """
    name = config.get("quantization")
    if not isinstance(name, str) or name not in QUANTIZATIONS:
        raise UnsupportedError(
            f"{path}: key 'quantization': {shown_value(name)} is not supported "
            f"(have {', '.join(QUANTIZATIONS)}). Convert the model to one of these."
        )
    return QUANTIZATIONS[name]


def hugging_face_config(path: Path, config: dict[str, Any]) -> dict[str, Any]:
    """The model's numbers as config.json would have them.

    Raises:
        FormatError: model_config is missing or broken.
    """
    model = _object(path, config, "model_config")
    if not model:
        raise broken(
            path,
            "key 'model_config'",
            shown_value(config.get("model_config")),
            "the model's numbers",
        )
    text = _object(path, model, "text_config")
    found: dict[str, Any] = {}
    for part in (_object(path, model, "kwargs"), model, _object(path, text, "kwargs"), text):
        found |= {key: value for key, value in part.items() if not _is_nothing(key, value)}
    known = {key: value for key, value in found.items() if key not in MLC_ONLY}
    renamed = {RENAMED[key]: value for key, value in known.items() if key in RENAMED}
    numbers = renamed | {key: value for key, value in known.items() if key not in RENAMED}
    if "vocab_size" in config:
        numbers.setdefault("vocab_size", config["vocab_size"])
    model_type = config.get("model_type")
    if isinstance(model_type, str):
        numbers["model_type"] = MODEL_TYPES.get(model_type, model_type)
    return numbers


def generation_config(config: dict[str, Any]) -> dict[str, Any]:
    """What generation_config.json would say: special tokens and how tokens are chosen."""
    template = config.get("conv_template")
    stop = template.get("stop_token_ids") if isinstance(template, dict) else None
    eos = [*_listed(config.get("eos_token_id")), *_listed(stop)]
    found = {key: config.get(key) for key in ("bos_token_id", *SAMPLING_KEYS)}
    return {
        key: value for key, value in (found | {"eos_token_id": eos}).items() if value is not None
    }


def dimension(path: Path, config: dict[str, Any], name: str) -> int:
    """A size that says how matrices are cut.

    Raises:
        FormatError: it is missing, or no number of that kind.
    """
    value = config.get(name)
    if type(value) is not int or not 0 < value < 1 << 24:
        raise broken(path, f"key 'model_config': {name!r}", shown_value(value), "a size")
    return value


def head_dimension(path: Path, config: dict[str, Any]) -> int:
    """head_dim, or what it is by default.

    Raises:
        FormatError: the numbers it comes from are missing.
    """
    if config.get("head_dim") is not None:
        return dimension(path, config, "head_dim")
    heads = dimension(path, config, "num_attention_heads")
    return dimension(path, config, "hidden_size") // heads


def _is_nothing(key: str, value: object) -> bool:
    """Whether MLC writes this value where Hugging Face writes none; soft caps may be null."""
    if value is None:
        return not key.endswith("_softcapping")
    is_zero = type(value) is int and value <= 0
    return is_zero and (key in RENAMED or key in ("head_dim", "rope_scaling"))


def _object(path: Path, parent: dict[str, Any], key: str) -> dict[str, Any]:
    value = parent.get(key)
    if value is not None and not isinstance(value, dict):
        raise broken(path, f"key {key!r}", shown_value(value), "an object")
    return value or {}


def _listed(value: object) -> list[object]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
