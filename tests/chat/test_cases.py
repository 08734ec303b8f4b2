"""The vectors that web/tests/chat.test.js runs too."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support import chat_templates
from tests.support.tiny_models import tiny_models
from webgemma.chat import chat_data, render_chat
from webgemma.chat.render import WHITESPACE, render_text
from webgemma.checkpoint import TokenizerSource
from webgemma.errors import ConfigError
from webgemma.tokenizer import SpecialTokens, Tokenizer, make_tokenizer_json

CASES = json.loads((Path(__file__).parents[1] / "cases" / "chat.json").read_bytes())
TEMPLATES = {
    "gemma": chat_templates.GEMMA,
    "merged": chat_templates.MERGED_SYSTEM,
    "chatml": chat_templates.CHATML,
    "default": chat_templates.DEFAULT_SYSTEM,
    "llama2": chat_templates.LLAMA2,
    "qwen3": chat_templates.QWEN3,
    "r1": chat_templates.R1,
}
SPECIAL = SpecialTokens(bos_token_id=2, eos_token_id=1, add_bos=True, stop_token_ids=[1, 5])
Case = dict[str, Any]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    source = TokenizerSource(sentencepiece=tiny_models()["gemma"])
    return Tokenizer.from_json(make_tokenizer_json(source))


@pytest.mark.parametrize("name", CASES["chats"])
def test_templates_become_this_data(name: str, tokenizer: Tokenizer) -> None:
    assert chat_data(TEMPLATES[name], tokenizer, special=SPECIAL) == CASES["chats"][name]


@pytest.mark.parametrize("case", CASES["tokens"], ids=lambda c: f"{c['chat']} {c['messages']}")
def test_tokens(case: Case, tokenizer: Tokenizer) -> None:
    chat = CASES["chats"][case["chat"]]
    assert render_chat(chat, case["messages"], tokenizer) == case["ids"]
    # Control tokens are ids exactly where the template has them: never inside a message.
    pieces = [tokenizer.piece(token_id) for token_id in case["ids"]]
    if case["chat"] == "gemma":
        turns = sum(message["role"] != "system" for message in case["messages"])
        assert pieces.count("<start_of_turn>") == turns + 1
        assert pieces.count("<end_of_turn>") == turns
        assert pieces.count("<bos>") == 1
    assert tokenizer.decode(case["ids"], skip_control=False).count("\u2581") == 0


@pytest.mark.parametrize("case", CASES["texts"], ids=lambda c: f"{c['chat']} {c['messages']}")
def test_texts(case: Case) -> None:
    chat = CASES["chats"][case["chat"]]
    text = render_text(chat, case["messages"], add_generation_prefix=case["add_generation_prefix"])
    assert text == case["text"]


@pytest.mark.parametrize("case", CASES["errors"], ids=lambda c: str(c["messages"]))
def test_errors(case: Case, tokenizer: Tokenizer) -> None:
    chat = CASES["chats"][case["chat"]] if case["chat"] else None
    with pytest.raises(ConfigError) as raised:
        render_chat(chat, case["messages"], tokenizer)
    assert str(raised.value) == case["error"]


def test_white_space_is_what_strip_removes() -> None:
    assert set(WHITESPACE) == {chr(c) for c in range(sys.maxunicode + 1) if chr(c).isspace()}
