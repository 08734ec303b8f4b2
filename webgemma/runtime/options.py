"""Checks the options of a request and fills in the model's. web/runtime/options.js is its twin.

What is not supported is refused with a named error, never ignored.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from webgemma.errors import ConfigError, UnsupportedError
from webgemma.runtime.sampling import Sampling
from webgemma.structured import ANY_OBJECT


class GenerateOptions(TypedDict, total=False):
    """Options under OpenAI's names, and those of llama.cpp and transformers where it has none.

    None is the same as leaving an option out: the model's own value, or else the one that
    changes nothing.
    """

    max_tokens: int | None
    """Stop after so many tokens; until the context is full by default."""
    max_completion_tokens: int | None
    """OpenAI's newer name of max_tokens."""
    temperature: float | None
    """0 takes the likeliest token; above, tokens are drawn. 1 by default."""
    top_p: float | None
    top_k: int | None
    min_p: float | None
    seed: int | None
    """Makes drawing repeatable."""
    stop: str | Sequence[str] | None
    """Texts that end the answer; they are not part of it."""
    presence_penalty: float | None
    frequency_penalty: float | None
    repetition_penalty: float | None
    logit_bias: Mapping[str | int, float] | None
    logprobs: bool | None
    top_logprobs: int | None
    response_format: Mapping[str, Any] | None
    """{"type": "json_object"}, or {"type": "json_schema", "json_schema": {"name", "schema"}}: the
    answer is such JSON, held to it token by token (docs/structured.md)."""
    context_full: str | None
    """ "stop" (default), or "drop_oldest": forget the oldest turns of a chat."""
    draft: bool | None
    """Whether text that repeats may be drafted and verified several tokens a step; true by
    default. It does not change what is chosen (docs/javascript.md, "Drafted tokens")."""


# name -> (least, most, what changes nothing)
NUMBERS: Mapping[str, tuple[float, float, float]] = {
    "temperature": (0, 2, 1),
    "top_p": (0, 1, 1),
    "min_p": (0, 1, 0),
    "presence_penalty": (-2, 2, 0),
    "frequency_penalty": (-2, 2, 0),
    "repetition_penalty": (0.1, 10, 1),
}
MAX_TOKENS = 2**31 - 1
MAX_SEED = 2**32 - 1
MAX_BIAS = 100
MAX_LOGPROBS = 20
MAX_STOPS = 4  # OpenAI's, as the other limits
CONTEXT_FULL = ("stop", "drop_oldest")
FORMATS = ("text", "json_object", "json_schema")
OWN_VALUES = (*NUMBERS, "top_k")
"""Options for which a model's generation_config.json or mlc-chat-config.json may have a value."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a request asks for, with everything filled in."""

    sampling: Sampling
    max_tokens: int | None
    """None: until the context is full."""
    stop: tuple[str, ...]
    schema: Any
    """The JSON Schema that the answer has to fit; None: any text."""
    drops_oldest: bool
    drafts: bool


def check_options(given: Mapping[str, Any], generation: Mapping[str, Any]) -> Options:
    """Check options and fill in what they leave out.

    Args:
        given: As in `GenerateOptions`.
        generation: The manifest's, with the model's own values.

    Raises:
        ConfigError: a value is out of range.
        UnsupportedError: there is no such option.
    """
    names = GenerateOptions.__annotations__
    for name in given:
        if name not in names:
            msg = f"request: '{name}' is not supported (have {', '.join(names)}). Leave it out."
            raise UnsupportedError(msg)
    own = {name: generation[name] for name in OWN_VALUES if generation.get(name) is not None}
    wanted = {**own, **{name: value for name, value in given.items() if value is not None}}
    context_full = wanted.get("context_full", "stop")
    if context_full not in CONTEXT_FULL:
        raise wrong("context_full", context_full, " or ".join(CONTEXT_FULL))
    seed = _integer(wanted, "seed", 0, MAX_SEED)
    schema = _schema(wanted.get("response_format", {"type": "text"}))
    stop = _stop(wanted.get("stop", ()))
    if schema is not None and stop:
        raise wrong("stop", wanted["stop"], "none beside response_format: it would cut the JSON")
    return Options(
        sampling=Sampling(
            **{name: _number(wanted, name, *range_) for name, range_ in NUMBERS.items()},
            top_k=_integer(wanted, "top_k", 0, MAX_TOKENS) or 0,
            seed=secrets.randbits(32) if seed is None else seed,
            logit_bias=_logit_bias(wanted.get("logit_bias", {})),
            top_logprobs=_top_logprobs(wanted),
        ),
        max_tokens=_max_tokens(wanted),
        stop=stop,
        schema=schema,
        drops_oldest=context_full == "drop_oldest",
        drafts=_boolean(wanted, "draft", True),
    )


def is_own_value(name: str, value: object) -> bool:
    """Whether a value of a model's configuration can be its own value of an option."""
    try:
        check_options({name: value}, {})
    except ConfigError:
        return False
    return value is not None


def _number(wanted: Mapping[str, Any], name: str, least: float, most: float, none: float) -> float:
    value = wanted.get(name, none)
    if isinstance(value, int | float) and type(value) is not bool and least <= value <= most:
        return float(value)
    raise wrong(name, value, f"a number from {_shown(least)} to {_shown(most)}")


def _integer(wanted: Mapping[str, Any], name: str, least: int, most: int) -> int | None:
    value = wanted.get(name)
    if value is None or (type(value) is int and least <= value <= most):
        return value
    raise wrong(name, value, f"an integer from {least} to {most}")


def _boolean(wanted: Mapping[str, Any], name: str, default: bool) -> bool:
    value = wanted.get(name, default)
    if type(value) is bool:
        return value
    raise wrong(name, value, "true or false")


def _max_tokens(wanted: Mapping[str, Any]) -> int | None:
    counts = [
        _integer(wanted, name, 1, MAX_TOKENS) for name in ("max_tokens", "max_completion_tokens")
    ]
    return min((count for count in counts if count is not None), default=None)


def _top_logprobs(wanted: Mapping[str, Any]) -> int | None:
    """How many alternatives are wanted; None if no logprobs are."""
    logprobs = _boolean(wanted, "logprobs", False)
    count = _integer(wanted, "top_logprobs", 0, MAX_LOGPROBS)
    if count is not None and not logprobs:
        raise wrong("top_logprobs", count, "logprobs to be true beside it")
    return (count or 0) if logprobs else None


def _stop(stop: Any) -> tuple[str, ...]:
    texts = stop if isinstance(stop, list | tuple) else [stop]
    if len(texts) <= MAX_STOPS and all(isinstance(text, str) and text for text in texts):
        return tuple(texts)
    raise wrong("stop", stop, f"a text, or a list of at most {MAX_STOPS}, none of them empty")


def _schema(response_format: Any) -> Any:
    """The schema of a response_format; None for any text."""
    kind = response_format.get("type") if isinstance(response_format, Mapping) else None
    if kind not in FORMATS:
        raise wrong("response_format", response_format, f"a type of {', '.join(FORMATS)}")
    if kind != "json_schema":
        return ANY_OBJECT if kind == "json_object" else None
    described = response_format.get("json_schema")
    if isinstance(described, Mapping) and isinstance(described.get("schema"), Mapping):
        return described["schema"]
    raise wrong("response_format.json_schema", described, "an object with a schema")


def _logit_bias(bias: Any) -> dict[int, float]:
    if not isinstance(bias, Mapping):
        raise wrong("logit_bias", bias, "an object: token id -> number")
    checked = {}
    for token, value in bias.items():
        if not str(token).isdecimal():
            raise wrong("logit_bias", token, "token ids as its keys")
        name = f"logit_bias.{token}"
        checked[int(token)] = _number({name: value}, name, -MAX_BIAS, MAX_BIAS, 0)
    return checked


def wrong(name: str, value: object, expected: str) -> ConfigError:
    """The error of a value that is out of range."""
    return ConfigError(f"request: '{name}': got {_shown(value)}, expected {expected}.")


def _shown(value: object) -> str:
    """A value as JavaScript's JSON.stringify shows it."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else json.dumps(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=repr)
