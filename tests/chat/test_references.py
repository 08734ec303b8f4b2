"""Templates as data against transformers' apply_chat_template: texts and ids, natively and in Node.

640 conversations for each template: 1 to 5 questions, with and without a system message, white
space of all kinds, Unicode, text that looks like control tokens, thoughts in earlier replies.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from tests.support import chat_templates
from tests.support.node import run_node
from tests.support.tiny_models import tiny_models
from webgemma.chat import chat_data, render_chat
from webgemma.chat.derive import make_conversations
from webgemma.chat.render import render_text
from webgemma.chat.sandbox import Conversation, Message
from webgemma.checkpoint import TokenizerSource
from webgemma.tokenizer import SpecialTokens, Tokenizer, make_tokenizer_json

pytestmark = pytest.mark.references

RENDER = Path(__file__).parent / "render.mjs"
WITH_BOS = SpecialTokens(bos_token_id=2, eos_token_id=1, add_bos=True, stop_token_ids=[1])
WITHOUT = SpecialTokens(bos_token_id=None, eos_token_id=1, add_bos=False, stop_token_ids=[1])
CASES = [
    pytest.param(chat_templates.LLAMA2, WITH_BOS, id="llama2"),
    pytest.param(chat_templates.QWEN3, WITHOUT, id="qwen3"),
    pytest.param(chat_templates.R1, WITH_BOS, id="r1"),
    pytest.param(chat_templates.MERGED_SYSTEM, WITH_BOS, id="merged"),
]


def plain(conversation: Conversation) -> Conversation:
    """The conversation without anything that transformers takes for a control token."""
    messages = [
        Message(role=m["role"], content=m["content"].replace("<", "("))
        for m in conversation.messages
    ]
    return dataclasses.replace(conversation, messages=messages)


@pytest.mark.parametrize(("template", "special"), CASES)
def test_equal_to_transformers(
    template: str,
    special: SpecialTokens,
    tmp_path: Path,
) -> None:
    from transformers import PreTrainedTokenizerFast

    content = make_tokenizer_json(TokenizerSource(sentencepiece=tiny_models()["gemma"]))
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    tokenizer = Tokenizer.from_json(content)
    chat = chat_data(template, tokenizer, special=special)
    assert chat is not None
    theirs = PreTrainedTokenizerFast(
        tokenizer_file=str(path), bos_token="<bos>", eos_token="<eos>", chat_template=template
    )

    def expected(conversation: Conversation, **options: Any) -> Any:
        return theirs.apply_chat_template(
            conversation.messages,
            add_generation_prompt=conversation.add_generation_prompt,
            **options,
        )

    asked = [
        conversation
        for flag in (False, True)
        for conversation in make_conversations(tokenizer, with_system=flag, count=320)
    ]
    asked += [plain(c) for c in asked if c.add_generation_prompt]
    texts = [expected(conversation, tokenize=False) for conversation in asked]
    ours = [
        render_text(chat, c.messages, add_generation_prefix=c.add_generation_prompt) for c in asked
    ]
    assert ours == texts
    wanting = [c for c in asked if c.add_generation_prompt]
    ids = [render_chat(chat, c.messages, tokenizer) for c in wanting]
    argument = {
        "tokenizer": str(path),
        "chat": chat,
        "conversations": [dataclasses.asdict(conversation) for conversation in asked],
    }
    assert run_node(RENDER, argument, tmp_path) == {"texts": texts, "ids": ids}
    for conversation, tokens in zip(wanting, ids, strict=True):
        if plain(conversation) == conversation:
            wanted = expected(conversation, tokenize=True, return_dict=False)
            assert tokens == wanted
