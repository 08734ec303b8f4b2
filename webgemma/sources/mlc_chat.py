"""The conversation template of mlc-chat-config.json as a chat template of Hugging Face's kind.

A prompt is the system text, then for each message role + role_content_sep + text + separator, and
at the end the assistant's role + role_empty_sep. Source: mlc-llm
python/mlc_llm/protocol/conversation_protocol.py (Conversation.as_prompt).
"""

from __future__ import annotations

import json
from typing import Any

PLAIN_TEMPLATES = {"user": "{user_message}", "assistant": "{assistant_message}"}
SYSTEM_PLACE = "{system_message}"


def chat_template(config: dict[str, Any]) -> str | None:
    """A jinja2 template that writes what `conv_template` describes; None if it cannot.

    A system message without markers of its own (Gemma) is left to whoever reads the template: MLC
    puts it before the first turn, where no model has seen one.
    """
    conversation = config.get("conv_template")
    if not isinstance(conversation, dict):
        return None
    turns = _turns(conversation)
    system = conversation.get("system_template", SYSTEM_PLACE)
    if turns is None or not isinstance(system, str) or system.count(SYSTEM_PLACE) != 1:
        return None
    user, assistant, generation = turns
    branches = [("user", user), ("assistant", assistant)]
    before, after = system.split(SYSTEM_PLACE)
    if before or after:
        branches.append(("system", (before, after)))
    cases = "".join(
        f"{{% if message['role'] == '{role}' %}}"
        f"{{{{ {_literal(start)} + message['content'] + {_literal(end)} }}}}{{% endif %}}"
        for role, (start, end) in branches
    )
    return (
        f"{{% for message in messages %}}{cases}{{% endfor %}}"
        f"{{% if add_generation_prompt %}}{{{{ {_literal(generation)} }}}}{{% endif %}}"
    )


def _turns(conversation: dict[str, Any]) -> tuple[tuple[str, str], tuple[str, str], str] | None:
    """What stands around a user's message, around a reply, and before a reply to come."""
    roles, seps = conversation.get("roles"), conversation.get("seps")
    content, empty = (conversation.get(f"role_{kind}_sep", "") for kind in ("content", "empty"))
    templates = conversation.get("role_templates") or PLAIN_TEMPLATES
    if not isinstance(roles, dict) or not isinstance(seps, list) or not isinstance(templates, dict):
        return None
    if not conversation.get("add_role_after_system_message", True):
        return None
    if any(templates.get(role, plain) != plain for role, plain in PLAIN_TEMPLATES.items()):
        return None
    texts = [roles.get("user"), roles.get("assistant"), content, empty, *seps]
    if len(seps) not in (1, 2) or not all(isinstance(text, str) for text in texts):
        return None
    user, assistant = (str(roles[role]) for role in ("user", "assistant"))
    if not user + assistant:
        return None  # "LM", plain text
    return (user + content, seps[0]), (assistant + content, seps[-1]), assistant + empty


def _literal(text: str) -> str:
    """A string as jinja2 reads it: Python's escapes, of which JSON's are a part."""
    return json.dumps(text, ensure_ascii=False)
