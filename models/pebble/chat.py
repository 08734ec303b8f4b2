"""Gemma's chat format, and the words that belong to it."""

from __future__ import annotations

from collections.abc import Sequence

SPECIAL_TOKENS = {"<pad>": 0, "<eos>": 1, "<bos>": 2, "<unk>": 3,
                  "<start_of_turn>": 4, "<end_of_turn>": 5}  # fmt: skip
END_OF_TURN = SPECIAL_TOKENS["<end_of_turn>"]
BOS = SPECIAL_TOKENS["<bos>"]

# Word for word the template of google/gemma-2-2b-it.
CHAT_TEMPLATE = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}"
    "{% endif %}"
    "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}"
    "{% else %}{% set role = message['role'] %}{% endif %}"
    "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}"
)


def prompt_text(prompt: str) -> str:
    """Render a user's turn and open the model's."""
    return f"<start_of_turn>user\n{prompt.strip()}<end_of_turn>\n<start_of_turn>model\n"


def conversation_text(turns: Sequence[tuple[str, str]]) -> str:
    """Render a whole conversation, without the leading <bos>."""
    return "".join(f"{prompt_text(p)}{r.strip()}<end_of_turn>\n" for p, r in turns)
