"""The frequencies of rotary position embeddings, and the ways that models stretch them.

Pair i of a head turns by position * factor[i]; unscaled, factor[i] = theta ^ (-2 i / head_dim).
Names of keys and kinds: transformers' modeling_rope_utils.py and llama.cpp's rope.scaling.*.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from webgemma.architectures.config import KeyReader
from webgemma.architectures.weights import WeightPlan
from webgemma.errors import FormatError, UnsupportedError
from webgemma.storage.registry import storage_for

LARGEST = 1e9  # of any number of a rope: thetas reach 1e7, contexts 1e7
KINDS = ("default", "linear", "llama3")
GGUF_KINDS = {"none": "default", "linear": "linear"}  # rope.scaling.type -> kind
LLAMA3_NUMBERS = ("low_freq_factor", "high_freq_factor", "original_max_position_embeddings")


@dataclass(frozen=True, slots=True)
class Rope:
    """How the positions of one kind of layer turn."""

    theta: float
    kind: str = "default"
    factor: float = 1.0
    """By which positions are stretched, of all frequencies (linear) or of the low ones (llama3)."""
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    original_max_position_embeddings: float = 8192.0

    def factors(self, head_dim: int) -> tuple[float, ...]:
        """Radians per position of every pair, [head_dim / 2]."""
        plain = [self.theta ** (-2 * i / head_dim) for i in range(head_dim // 2)]
        if self.kind == "linear":
            return tuple(factor / self.factor for factor in plain)
        if self.kind == "llama3":
            return tuple(self._llama3(factor) for factor in plain)
        return tuple(plain)

    def _llama3(self, plain: float) -> float:
        """Stretch waves longer than the original context allows; blend at the border.

        Source: transformers modeling_rope_utils.py, _compute_llama3_parameters.
        """
        turns = self.original_max_position_embeddings * plain / (2 * math.pi)
        if turns > self.high_freq_factor:
            return plain
        if turns < self.low_freq_factor:
            return plain / self.factor
        border = self.high_freq_factor - self.low_freq_factor
        blend = (turns - self.low_freq_factor) / border if border else 0.0
        return (1 - blend) * plain / self.factor + blend * plain


def read_rope(keys: KeyReader, default_theta: float) -> Rope:
    """The rope of all layers, as either format gives it.

    Raises:
        UnsupportedError: a kind of scaling that is not known.
        FormatError: a number is missing or is none.
    """
    theta = keys.number("rope_theta", default_theta)
    if keys.is_gguf:
        return _gguf_rope(keys, theta)
    for name in ("rope_parameters", "rope_scaling"):  # transformers 5, transformers 4
        key, value = keys.find(name)
        if value is not None:
            return rope_of(keys, key, value, theta)
    return Rope(theta)


def _gguf_rope(keys: KeyReader, theta: float) -> Rope:
    """A factor without a type is linear (llama.cpp llama-model.cpp, load_hparams)."""
    key, word = keys.find("rope.scaling.type")
    factor = keys.number("rope.scaling.factor", 1.0)
    for harmless in ("rope.scaling.original_context_length", "rope.scaling.finetuned"):
        keys.find(harmless)
    kind = GGUF_KINDS.get("none" if word is None and factor == 1 else str(word or "linear"))
    if kind is None:
        raise _unsupported(keys, key, word, tuple(GGUF_KINDS))
    return Rope(theta, kind, factor)


def rope_of(keys: KeyReader, key: str, value: object, default_theta: float) -> Rope:
    """One object of config.json: rope_type or type, factor, and for llama3 three numbers more."""
    if not isinstance(value, Mapping):
        raise keys.fail(key, value, "an object with a rope_type")
    kind = value.get("rope_type", value.get("type", "default"))
    needed = {"default": (), "linear": ("factor",), "llama3": ("factor", *LLAMA3_NUMBERS)}
    if kind not in needed:
        raise _unsupported(keys, key, kind, KINDS)
    unknown = set(value) - {"rope_type", "type", "rope_theta", "factor", *LLAMA3_NUMBERS}
    if unknown:
        raise _unsupported(keys, key, ", ".join(sorted(map(str, unknown))), ("rope_theta",))
    theta = _number(keys, key, value, "rope_theta", default_theta)
    return Rope(theta, kind, **{name: _number(keys, key, value, name) for name in needed[kind]})


def _number(
    keys: KeyReader, key: str, value: Mapping[str, object], name: str, default: float | None = None
) -> float:
    found = value.get(name, default)
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    if not is_number or not 0 < found < LARGEST:  # type: ignore[operator]
        raise keys.fail(key, value, f"a {name} that is a positive number")
    return float(found)  # type: ignore[arg-type]


def _unsupported(keys: KeyReader, key: str, got: object, have: tuple[str, ...]) -> UnsupportedError:
    msg = f"{keys.checkpoint.path}: key {key!r}: {got!r} is not supported (have {', '.join(have)})."
    return UnsupportedError(msg)


def divided_by_tensor(plan: WeightPlan, name: str, factors: tuple[float, ...]) -> tuple[float, ...]:
    """Factors over those of a GGUF tensor f32 [head_dim / 2], where the file has it.

    llama.cpp's converter writes Llama 3's scaling so, as `rope_freqs.weight`; ggml divides each
    angle by it (ggml.h, ggml_rope_ext).

    Raises:
        FormatError: its shape is another, or a value is no positive number.
    """
    if not plan.has(name):
        return factors
    tensor = plan.tensor(name, (len(factors),))
    kept = storage_for(tensor.where, tensor.type)
    values = kept.decode(kept.encode(tensor.read_rows(0, 1), len(factors)), len(factors))[0]
    if not ((values > 0) & (values < LARGEST)).all():
        msg = f"{tensor.where}: got values that are no positive numbers, expected divisors of "
        raise FormatError(msg + "frequencies. The file is damaged; fetch it again.")
    return tuple(factor / float(value) for factor, value in zip(factors, values, strict=True))
