"""Functions that a model may ask for: how it is told of them, and how its calls are found.

The twin of web/runtime/tools.js; docs/javascript.md describes the format.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webgemma.chat import ChatData
from webgemma.errors import ConfigError, UnsupportedError
from webgemma.runtime.options import wrong

Message = Mapping[str, Any]

GEMMA_TURN = "<start_of_turn>user\n"
CHOICES = ("none", "auto", "required")
NAME = re.compile(r"[\w-]{1,64}", re.ASCII)
FENCED = re.compile(r"```\w*\s*(.*?)\s*```", re.DOTALL)
MAY_BE_CALL = re.compile(r"\s*($|[\[{`])")
FUNCTION_FIELDS = ("name", "description", "parameters")


@dataclass(frozen=True, slots=True)
class Toolset:
    """Functions to tell a model of."""

    functions: tuple[Mapping[str, Any], ...]
    choice: str
    """ "auto", "required", or the name of the one that must be called."""
    parallel: bool
    """Whether a reply may call several."""


def check_tools(
    tools: Sequence[Mapping[str, Any]] | None,
    tool_choice: str | Mapping[str, Any] | None = None,
    parallel_tool_calls: bool | None = None,
) -> Toolset | None:
    """Check OpenAI's `tools` and `tool_choice`; None if there is nothing to tell a model.

    Raises:
        ConfigError: they are not as OpenAI has them.
        UnsupportedError: a function has a field that is not known.
    """
    functions = () if tools is None else _check_functions(tools)
    choice = _check_choice("auto" if tool_choice is None else tool_choice, functions)
    if choice == "none" or not functions:
        return None
    return Toolset(functions, choice, parallel_tool_calls is not False)


def _check_functions(tools: Any) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(tools, list | tuple):
        raise wrong("tools", tools, "a list of functions")
    return tuple(_check_function(tool, f"tools[{i}]") for i, tool in enumerate(tools))


def _check_function(tool: Any, name: str) -> Mapping[str, Any]:
    kind = tool.get("type") if isinstance(tool, Mapping) else None
    if kind != "function":
        raise wrong(f"{name}.type", kind, '"function"')
    described = tool.get("function") or {}
    _refuse_others(tool, ("type", "function"), name)
    _refuse_others(described, FUNCTION_FIELDS, f"{name}.function")
    title = described.get("name")
    if not isinstance(title, str) or not NAME.fullmatch(title):
        raise wrong(f"{name}.function.name", title, "1 to 64 letters, digits, _ and -")
    return {field: described[field] for field in FUNCTION_FIELDS if described.get(field)}


def _refuse_others(given: Mapping[str, Any], known: Sequence[str], name: str) -> None:
    for field, value in given.items():
        if value is not None and field not in known:
            msg = (
                f"request: '{name}.{field}' is not supported (have {', '.join(known)}). "
                "Leave it out."
            )
            raise UnsupportedError(msg)


def _check_choice(choice: Any, functions: Sequence[Mapping[str, Any]]) -> str:
    if isinstance(choice, Mapping):
        name = (choice.get("function") or {}).get("name")
        if any(function["name"] == name for function in functions):
            return str(name)
    elif choice in CHOICES and (choice != "required" or functions):
        return str(choice)
    raise wrong("tool_choice", choice, f"{', '.join(CHOICES)}, or one of tools")


def plain_messages(
    chat: ChatData, messages: Sequence[Message], tools: Toolset | None
) -> Sequence[Message]:
    """A conversation with functions as one of texts alone.

    A system message tells of them, calls are what the model wrote, and results are the user's
    messages.

    Raises:
        ConfigError: a result belongs to no call.
        UnsupportedError: the model's turns are not Gemma's.
    """
    if not tools and not any(m.get("role") == "tool" or m.get("tool_calls") for m in messages):
        return messages
    if chat["roles"]["user"]["prefix"] != GEMMA_TURN:
        msg = (
            "tools: this model's chat template is not Gemma's, and only for Gemma's a way to tell "
            "of functions is known. Describe them in a system message."
        )
        raise UnsupportedError(msg)
    names: dict[str, str] = {}
    plain: list[dict[str, Any]] = []
    for message in messages:
        for call in message.get("tool_calls") or ():
            names[call["id"]] = call["function"]["name"]
        _append(plain, _read_message(message, names))
    if tools:
        _tell_of(tools, plain)
    return plain


def _read_message(message: Message, names: Mapping[str, str]) -> dict[str, Any]:
    """A message without functions; `names` are those called so far, by the id of the call."""
    content = message.get("content") or ""
    calls = [
        f'{{"name": {_json(call["function"]["name"])}, '
        f'"parameters": {call["function"]["arguments"]}}}'
        for call in message.get("tool_calls") or ()
    ]
    if calls:
        written = f"[{', '.join(calls)}]" if len(calls) > 1 else calls[0]
        return {"role": "assistant", "content": f"{content}\n{written}" if content else written}
    if message.get("role") != "tool":
        return dict(message)
    call_id = message.get("tool_call_id", "")
    if call_id not in names:
        msg = f"messages: tool_call_id {_json(call_id)} is of no call before it."
        raise ConfigError(msg)
    return {"role": "user", "content": f"{names[call_id]} returned:\n{content}"}


def _append(plain: list[dict[str, Any]], message: dict[str, Any]) -> None:
    """Append; users' messages in a row are one, as turns have to alternate."""
    if plain and plain[-1]["role"] == message.get("role") == "user":
        plain[-1]["content"] += f"\n\n{message['content']}"
    else:
        plain.append(message)


def _tell_of(tools: Toolset, plain: list[dict[str, Any]]) -> None:
    """Put the functions into the system message, or before all others."""
    lines = [
        "You can call functions. To call one, reply with nothing but JSON of this form:",
        '{"name": "name of the function", "parameters": {"name of a parameter": value}}',
    ]
    if tools.parallel:
        lines.append("To call several, reply with a list of such objects.")
    if tools.choice == "auto":
        lines.append("Where no function helps, reply as usual.")
    lines += ["The functions are:", *(_json(function) for function in tools.functions)]
    text = "\n".join(lines)
    if plain and plain[0]["role"] == "system":
        plain[0]["content"] += f"\n\n{text}"
    else:
        plain.insert(0, {"role": "system", "content": text})


def reply_start(tools: Toolset | None) -> str:
    """How a reply has to begin, where a function must be called."""
    if tools is None or tools.choice == "auto":
        return ""
    if tools.choice == "required":
        return '{"name": "'
    return f'{{"name": {_json(tools.choice)}, "parameters": '


class CallText:
    """Holds text back while it may be a call."""

    def __init__(self, tools: Toolset | None) -> None:
        """Without tools, all of it is text."""
        self.tools = tools
        self.held = reply_start(tools)
        self.is_text = tools is None

    def push(self, piece: str) -> str:
        """Add a piece; returns the text that is no call."""
        if self.is_text:
            return piece
        self.held += piece
        if MAY_BE_CALL.match(self.held):
            return ""
        self.is_text = True
        return self.held

    def finish(self) -> tuple[str, list[dict[str, Any]]]:
        """End the text: (the rest of it, no calls), or (nothing, the calls that it is)."""
        if self.tools is None or self.is_text:
            return "", []
        calls = parse_calls(self.held, self.tools)
        return ("", calls) if calls else (self.held, [])


def parse_calls(reply: str, tools: Toolset) -> list[dict[str, Any]]:
    """The calls that a reply consists of, as OpenAI has them; none if it is anything else."""
    text = reply.strip()
    fenced = FENCED.fullmatch(text)
    try:
        value = json.loads(fenced[1] if fenced else text)
    except ValueError:
        return []
    calls = value if isinstance(value, list) else [value]
    names = [function["name"] for function in tools.functions]
    parsed = []
    for call in calls:
        if not isinstance(call, dict) or call.get("name") not in names:
            return []
        parameters = call.get("parameters") or call.get("arguments") or {}
        if not isinstance(parameters, dict):
            return []
        function = {"name": call["name"], "arguments": _json(parameters)}
        call_id = f"call_{secrets.token_hex(12)}"
        parsed.append({"id": call_id, "type": "function", "function": function})
    return parsed if tools.parallel else parsed[:1]


def _json(value: object) -> str:
    """JSON as JavaScript's JSON.stringify writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
