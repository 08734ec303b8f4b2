"""Tools, by tests/cases/tools.json, and chats that outgrow the context, by context.json."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from webgemma.chat import ChatData
from webgemma.errors import ConfigError, UnsupportedError
from webgemma.runtime.context import drop_oldest
from webgemma.runtime.tools import CallText, check_tools, plain_messages, reply_start

FOLDER = Path(__file__).parents[1] / "cases"
CASES = json.loads((FOLDER / "tools.json").read_text("utf-8"))
CONTEXT = json.loads((FOLDER / "context.json").read_text("utf-8"))


def chat(turn: str = "<start_of_turn>user\n") -> ChatData:
    """Gemma's turns, or others."""
    role = {"prefix": turn, "suffix": "<end_of_turn>\n", "trim": True}
    return {
        "prefix": "", "generation_prefix": "",
        "roles": {"user": role, "assistant": role, "system": role},
    }  # fmt: skip


@pytest.mark.parametrize(("fields", "message"), CASES["refused"])
def test_wrong_tools_are_refused(fields, message):
    with pytest.raises((ConfigError, UnsupportedError)) as error:
        check_tools(fields.get("tools"), fields.get("tool_choice"))
    assert str(error.value) == message


@pytest.mark.parametrize("case", CASES["plain"], ids=lambda case: str(case["choice"]))
def test_a_model_is_told_of_functions(case):
    tools = check_tools(CASES["tools"], case["choice"], case["parallel"])
    plain = plain_messages(chat(), case["messages"], tools)
    if "expected" in case:
        assert list(plain) == case["expected"]
    assert reply_start(tools) == case["start"]


@pytest.mark.parametrize("case", CASES["replies"], ids=lambda case: case["reply"])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_calls_are_found_in_replies(case, size):
    text = CallText(check_tools(CASES["tools"]))
    reply = case["reply"]
    shown = "".join(text.push(reply[i : i + size]) for i in range(0, len(reply), size))
    rest, calls = text.finish()
    assert [[c["function"]["name"], c["function"]["arguments"]] for c in calls] == case["calls"]
    assert shown + rest == ("" if calls else reply)
    assert len({call["id"] for call in calls}) == len(calls)


def test_only_one_call_where_they_are_not_parallel():
    text = CallText(check_tools(CASES["tools"], None, False))
    text.push('[{"name": "now"}, {"name": "now"}]')
    assert len(text.finish()[1]) == 1


def test_a_forced_call_begins_before_the_reply():
    choice = {"type": "function", "function": {"name": "now"}}
    text = CallText(check_tools(CASES["tools"], choice))
    assert text.push('{"zone": "UTC"}}') == ""
    (call,) = text.finish()[1]
    assert call["function"] == {"name": "now", "arguments": '{"zone":"UTC"}'}


def test_no_tools_no_difference():
    messages = [{"role": "user", "content": "Hi"}]
    assert plain_messages(chat("[INST]"), messages, check_tools(None)) is messages
    assert check_tools(CASES["tools"], "none") is None


def test_other_templates_than_gemmas_are_refused():
    with pytest.raises(UnsupportedError) as error:
        plain_messages(chat("[INST]"), [], check_tools(CASES["tools"]))
    assert str(error.value) == (
        "tools: this model's chat template is not Gemma's, and only for Gemma's a way to tell of "
        "functions is known. Describe them in a system message."
    )


def test_a_result_without_a_call_is_refused():
    result = [{"role": "tool", "tool_call_id": "x", "content": "5"}]
    with pytest.raises(ConfigError) as error:
        plain_messages(chat(), result, None)
    assert str(error.value) == 'messages: tool_call_id "x" is of no call before it.'


@pytest.mark.parametrize("case", CONTEXT, ids=lambda case: case["why"])
def test_the_oldest_turns_are_dropped(case):
    """A message's tokens are its characters."""
    roles = ("user", "assistant")
    turns = [
        {"role": roles[i % 2], "content": chr(97 + i) * size}
        for i, size in enumerate(case["turns"])
    ]
    system = [{"role": "system", "content": "-" * case["system"]}] if case["system"] else []
    kept = drop_oldest(
        [*system, *turns],
        case["context"],
        case["max_tokens"],
        lambda messages: sum(len(message["content"]) for message in messages),
    )
    assert list(kept) == [*system, *turns[len(turns) - case["kept"] :]]
