"""Templates that came with a model: recognised, reduced and proven, or refused with the reason."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import jinja2
import pytest

from tests.support.chat_templates import (
    CHATML,
    DEFAULT_SYSTEM,
    GEMMA,
    LLAMA2,
    MERGED_SYSTEM,
    QWEN3,
    R1,
)
from tests.support.sentencepiece_model import NORMAL, base_pieces, write_model
from tests.support.tiny_models import tiny_models
from webgemma.chat import chat_data
from webgemma.chat.derive import make_conversations
from webgemma.chat.jinja_child import make_environment
from webgemma.chat.render import ChatData, render_text
from webgemma.chat.sandbox import Conversation, render_template
from webgemma.chat.template import KNOWN_TEMPLATES
from webgemma.checkpoint import TokenizerSource
from webgemma.errors import ConfigError, UnsupportedError
from webgemma.tokenizer import SpecialTokens, Tokenizer, make_tokenizer_json

SPECIAL = SpecialTokens(bos_token_id=2, eos_token_id=1, add_bos=True, stop_token_ids=[1, 5])
NO_BOS = SpecialTokens(bos_token_id=None, eos_token_id=None, add_bos=False, stop_token_ids=[])
ADVICE = "Give another one with --chat-template: 'gemma', 'none', or a jinja file."
IRREGULAR = "chat template: it cannot be reduced to a prefix and a suffix for each role: "


def load(model: bytes) -> Tokenizer:
    return Tokenizer.from_json(make_tokenizer_json(TokenizerSource(sentencepiece=model)))


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return load(tiny_models()["gemma"])


def check_equal_to_jinja(template: str, chat: ChatData, conversations: list[Conversation]) -> None:
    """Compare with jinja2 in this process, as transformers renders a chat template."""
    compiled = make_environment().from_string(template)
    for conversation in conversations:
        expected = compiled.render(
            messages=conversation.messages,
            add_generation_prompt=conversation.add_generation_prompt,
            bos_token="<bos>",
            eos_token="<eos>",
        )
        text = render_text(
            chat, conversation.messages, add_generation_prefix=conversation.add_generation_prompt
        )
        assert text == expected


def test_the_official_template_is_known_and_rendered_byte_for_byte(tokenizer: Tokenizer) -> None:
    for template in (GEMMA, GEMMA.replace("\n", "\\n")):
        assert hashlib.sha256(template.encode()).hexdigest() in KNOWN_TEMPLATES
        chat = chat_data(template, tokenizer, special=SPECIAL)
        assert chat is not None
        conversations = make_conversations(tokenizer, with_system=False)
        assert len(conversations) >= 50
        assert {len(c.messages) for c in conversations} == {1, 3, 5, 7, 9}
        check_equal_to_jinja(template, chat, conversations)
        # An unknown spelling of it is reduced to the same data.
        assert chat_data(template + "{# other #}", tokenizer, special=SPECIAL) == chat


FIRST_OTHERWISE = (
    "{% for m in messages %}{% if loop.first %}a{% elif m.role == 'user' %}b{% endif %}"
    "{{ m.content }}{% endfor %}"
)


@pytest.mark.parametrize(
    "template", [MERGED_SYSTEM, CHATML, QWEN3, FIRST_OTHERWISE], ids=lambda text: text[:20]
)
def test_other_templates_are_rendered_byte_for_byte(template: str, tokenizer: Tokenizer) -> None:
    chat = chat_data(template, tokenizer, special=NO_BOS)
    assert chat is not None
    if template == MERGED_SYSTEM:  # its own BOS is left out, there is none
        template = template.replace("{{ bos_token }}", "")
    for with_system in (False, True):
        conversations = make_conversations(tokenizer, with_system=with_system)
        assert len(conversations) >= 50
        check_equal_to_jinja(template, chat, conversations)


@pytest.mark.parametrize("template", [LLAMA2, R1], ids=["llama2", "r1"])
def test_templates_that_write_bos_themselves(template: str, tokenizer: Tokenizer) -> None:
    chat = chat_data(template, tokenizer, special=SPECIAL)
    assert chat is not None
    for with_system in (False, True):
        made = make_conversations(tokenizer, with_system=with_system)
        check_equal_to_jinja(template, chat, made)


def test_a_piece_does_not_end_within_a_control_token(tokenizer: Tokenizer) -> None:
    """Both "<bos>" and "<eos>" end in "os>", which belongs to neither role's piece."""
    template = (
        "{% for m in messages %}{{ bos_token if loop.first else eos_token if m.role == 'user' }}"
        "{{ m.content }}{% endfor %}"
    )
    chat = chat_data(template, tokenizer, special=SPECIAL)
    assert chat is not None
    assert chat["prefix"] == "<bos>"
    assert chat["roles"]["user"]["prefix"] == ""
    assert chat["roles"]["assistant"]["suffix"] == "<eos>"


def test_conversations_hold_what_breaks_templates(tokenizer: Tokenizer) -> None:
    for with_system in (False, True):
        conversations = make_conversations(tokenizer, with_system=with_system)
        assert conversations == make_conversations(tokenizer, with_system=with_system)
        contents = [m["content"] for c in conversations for m in c.messages]
        for part in ("</think>", "<end_of_turn>", "<bos>", "👩‍👩‍👧", "中文", "{{ x }}", "\ufeff"):
            assert any(part in content for content in contents)
        assert any(content != content.strip() for content in contents)
        assert {c.add_generation_prompt for c in conversations} == {False, True}
        first = {c.messages[0]["role"] for c in conversations}
        assert first == {"system" if with_system else "user"}


def test_bos_is_put_where_the_template_leaves_it_to_the_tokenizer(tokenizer: Tokenizer) -> None:
    for template in (CHATML, DEFAULT_SYSTEM, GEMMA.replace("{{ bos_token }}", "")):
        chat = chat_data(template, tokenizer, special=SPECIAL)
        assert chat is not None
        assert chat["prefix"].startswith("<bos>")
        assert chat["roles"]["system"]["prefix"].startswith("<bos>")
        without = chat_data(template, tokenizer, special=NO_BOS)
        assert without is not None
        assert "<bos>" + without["prefix"] == chat["prefix"]


def test_no_template_is_no_chat(tokenizer: Tokenizer) -> None:
    assert chat_data(None, tokenizer, special=SPECIAL) is None
    assert chat_data(GEMMA, tokenizer, special=SPECIAL, option="none") is None


def test_option_replaces_the_template(tokenizer: Tokenizer, tmp_path: Path) -> None:
    gemma = chat_data(GEMMA, tokenizer, special=SPECIAL)
    assert chat_data("{{ broken", tokenizer, special=SPECIAL, option="gemma") == gemma
    path = tmp_path / "chat.jinja"
    path.write_text(CHATML, encoding="utf-8")
    chatml = chat_data(CHATML, tokenizer, special=SPECIAL)
    assert chat_data(GEMMA, tokenizer, special=SPECIAL, option=str(path)) == chatml
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigError) as raised:
        chat_data(None, tokenizer, special=SPECIAL, option=str(path))
    assert str(raised.value) == (
        f"--chat-template {path}: 'utf-8' codec can't decode byte 0xff in position 0: invalid "
        "start byte. Give 'gemma', 'none', or a jinja file in UTF-8."
    )
    path.unlink()
    with pytest.raises(ConfigError) as raised:
        chat_data(None, tokenizer, special=SPECIAL, option=str(path))
    assert str(raised.value) == (
        f"--chat-template {path}: [Errno 2] No such file or directory: '{path}'. "
        "Give 'gemma', 'none', or a jinja file in UTF-8."
    )


def test_gemmas_template_needs_turn_markers() -> None:
    other = load(write_model([*base_pieces(), ("a", -0.0, NORMAL)]))
    with pytest.raises(ConfigError) as raised:
        chat_data(None, other, special=SPECIAL, option="gemma")
    assert str(raised.value) == (
        "chat template 'gemma': the vocabulary has no control token '<start_of_turn>'. " + ADVICE
    )


CANNOT = "chat template: it cannot be rendered for a user and an assistant: "


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{", CANNOT + "TemplateSyntaxError: unexpected 'end of template'"),
        ("{% include 'x' %}", CANNOT + "TypeError: no loader for this environment specified"),
        (
            "{{ ''.__class__.__mro__ }}",
            CANNOT + "SecurityError: access to attribute '__class__' of 'str' object is unsafe.",
        ),
        ("{{ strftime_now('%d') }}", CANNOT + "UndefinedError: 'strftime_now' is undefined"),
        ("{{ 'a' * 4000000000 }}", CANNOT + "MemoryError: "),
        ("{{ 'a' * 5000000 }}", CANNOT + "ValueError: more than 4194304 characters of output"),
        (
            "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
            CANNOT + "RecursionError: maximum recursion depth exceeded",
        ),
        ("{{ messages[0].content | upper }}", IRREGULAR + "a message is written 0 times"),
        (
            "{{ messages[0].content }}" * 2,
            IRREGULAR + "a message is written 2 times",
        ),
        (
            CHATML + "{% if not add_generation_prompt %}<eos>{% endif %}",
            IRREGULAR + "a generation prompt changes the text before it",
        ),
        (
            "{% for m in messages %}{{ m.content }}{% if loop.last %}<eos>{% endif %}{% endfor %}",
            IRREGULAR + "the last message is written in another way than the same one before it",
        ),
        (
            "{{ messages | length }}" + CHATML,
            IRREGULAR + "for 3 messages it gives '3<|im_start|>user\\n<|im_end|> <|im_end|> ' "
            "at character 0 where the pieces give '1<|im_start|>user\\n<|im_end|> <|im_end|> '",
        ),
        (
            CHATML + "{% if messages | length > 5 %}{{ raise_exception('too long') }}{% endif %}",
            IRREGULAR + "it fails for 7 messages: TemplateError: too long",
        ),
    ],
)  # fmt: skip
def test_irregular_templates(template: str, message: str, tokenizer: Tokenizer) -> None:
    with pytest.raises(UnsupportedError) as raised:
        chat_data(template, tokenizer, special=SPECIAL)
    assert str(raised.value) == f"{message}. {ADVICE}"


@pytest.mark.parametrize(
    "content", ["m.content | replace('<', '')", "m.content[:20]", "m.content.lstrip()"]
)
def test_templates_that_change_a_message_are_refused(content: str, tokenizer: Tokenizer) -> None:
    template = "{% for m in messages %}[{{ m.role }}]{{ " + content + " }}{% endfor %}"
    with pytest.raises(UnsupportedError) as raised:
        chat_data(template, tokenizer, special=SPECIAL)
    assert str(raised.value).startswith(IRREGULAR)
    assert str(raised.value).endswith(ADVICE)


def test_a_template_that_does_not_end_is_ended(tokenizer: Tokenizer) -> None:
    forever = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
    conversation = Conversation([{"role": "user", "content": "a"}], add_generation_prompt=True)
    start = time.monotonic()
    with pytest.raises(UnsupportedError) as raised:
        render_template(forever, [conversation], bos_token="", eos_token="", cpu_seconds=1)
    assert time.monotonic() - start < 20
    assert str(raised.value) == (
        "chat template: rendering it did not finish within 1 s of processor time and 512 MB "
        f"(ended with status -9). {ADVICE}"
    )


def test_a_template_that_is_too_long_is_not_rendered(tokenizer: Tokenizer) -> None:
    with pytest.raises(UnsupportedError) as raised:
        chat_data("x" * (256 * 1024 + 1), tokenizer, special=SPECIAL)
    assert str(raised.value) == (
        "chat template: got 262,145 bytes, expected at most 262,144. "
        "Give another one with --chat-template."
    )


def test_messages_cannot_be_changed_by_a_template(tokenizer: Tokenizer) -> None:
    with pytest.raises(jinja2.exceptions.SecurityError):
        make_environment().from_string("{{ messages.clear() }}").render(messages=[1])
