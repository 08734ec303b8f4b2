"""A chat as tokens: fixed pieces around the messages. The twin of web/runtime/chat.js."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

from webgemma.errors import ConfigError
from webgemma.tokenizer import Tokenizer


class Thought(TypedDict):
    """What of an earlier reply is left out: all before the last `end`, and `end` itself."""

    end: str
    trim_lines: bool
    """Whether line breaks that follow it are left out too."""


class Role(TypedDict):
    """What stands around the messages of one role."""

    prefix: str
    suffix: str
    trim: bool
    thought: NotRequired[Thought]
    joined: NotRequired[bool]
    """Of the system: whether it is part of the user's message, and trimmed with its end."""


class Roles(TypedDict):
    """The three roles of a chat."""

    user: Role
    assistant: Role
    system: Role


class ChatData(TypedDict):
    """A chat template as data: the "chat" of webgemma.json (docs/chat.md)."""

    prefix: str
    roles: Roles
    generation_prefix: str


_ORDER = "Roles go: system (at most one, first), then user and assistant in turn."
# What str.strip() removes, and with it jinja2's `trim`; written out because JavaScript's differs.
WHITESPACE = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007"
    "\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)


def render_chat(
    chat: ChatData | None, messages: Sequence[Mapping[str, Any]], tokenizer: Tokenizer
) -> list[int]:
    """Encode a chat so that the model answers its last message.

    The template's control tokens become ids; what the messages hold is text, whatever it looks
    like. Text of template and message that touches is encoded as one string.

    Args:
        chat: the template, or None for a model without one.
        messages: {"role", "content"}, content a string; the last role is "user".
        tokenizer: the model's.

    Raises:
        ConfigError: there is no template, or roles or contents are not as expected.
    """
    check_messages(chat, messages, needs_reply=True)
    assert chat is not None
    segments: list[int | str] = []
    for text, is_template in _chat_parts(chat, messages, add_generation_prefix=True):
        segments += tokenizer.split_control(text) if is_template else [text]
    return tokenizer.encode_segments(segments)


def render_text(
    chat: ChatData, messages: Sequence[Mapping[str, Any]], *, add_generation_prefix: bool
) -> str:
    """Render a chat as the text that the jinja2 template would give."""
    check_messages(chat, messages, needs_reply=False)
    parts = _chat_parts(chat, messages, add_generation_prefix=add_generation_prefix)
    return "".join(text for text, _ in parts)


def check_messages(
    chat: ChatData | None, messages: Sequence[Mapping[str, Any]], *, needs_reply: bool
) -> None:
    """Check roles, their order and contents; the messages are the same in JavaScript."""
    if chat is None:
        raise ConfigError(
            "chat: this model has no chat template. "
            "Give it a plain prompt, or build it with --chat-template."
        )
    if not messages:
        raise ConfigError("messages: got none, expected at least one with role user.")
    has_system = messages[0].get("role") == "system"
    for index, message in enumerate(messages):
        if has_system and index == 0:
            expected = "system"
        else:
            expected = "assistant" if (index - has_system) % 2 else "user"
        if message.get("role") != expected:
            raise ConfigError(
                f"messages[{index}]: got role {_quote(message.get('role'))}, expected "
                f'"{expected}". {_ORDER}'
            )
        if not isinstance(message.get("content"), str):
            raise ConfigError(
                f"messages[{index}]: content is not a string. Only text is supported."
            )
    last = messages[-1]["role"]
    if last == "system" or (needs_reply and last != "user"):
        raise ConfigError(
            f'messages: the last one has role "{last}", expected "user". '
            "The model answers the last message."
        )


def _chat_parts(
    chat: ChatData, messages: Sequence[Mapping[str, Any]], *, add_generation_prefix: bool
) -> list[tuple[str, bool]]:
    """List the texts of a chat in order, each with whether it is the template's."""
    roles = chat["roles"]
    parts: list[tuple[str, bool]] = []
    for index, message in enumerate(messages):
        role = roles[message["role"]]  # type: ignore[literal-required]
        follows_system = index == 1 and messages[0]["role"] == "system"
        if message["role"] == "system":
            parts.append((role["prefix"], True))  # stands for the chat's prefix too
        elif index == 0:
            parts += [(chat["prefix"], True), (role["prefix"], True)]
        elif not follows_system:  # the system's suffix stands for the user's prefix
            parts.append((role["prefix"], True))
        content = _without_thought(message["content"], role)
        if follows_system and roles["system"].get("joined", False):
            parts = [parts[0], *_trim_end([*parts[1:], (content, False)])]
        else:
            parts.append((content.strip(WHITESPACE) if role["trim"] else content, False))
        parts.append((role["suffix"], True))
    if add_generation_prefix:
        parts.append((chat["generation_prefix"], True))
    return parts


def _without_thought(content: str, role: Role) -> str:
    """Leave out of an earlier reply what the model thought before it."""
    thought = role.get("thought")
    if thought is None or thought["end"] not in content:
        return content
    reply = content.rpartition(thought["end"])[2]
    return reply.lstrip("\n") if thought["trim_lines"] else reply


def _trim_end(parts: Sequence[tuple[str, bool]]) -> list[tuple[str, bool]]:
    """Remove white space at the end of texts that are one."""
    trimmed = list(parts)
    for index in reversed(range(len(trimmed))):
        text, is_template = trimmed[index]
        trimmed[index] = text.rstrip(WHITESPACE), is_template
        if trimmed[index][0]:
            break
    return trimmed


def _quote(value: object) -> str:
    """Quote a role for an error message as JavaScript's JSON.stringify does."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else "none"
