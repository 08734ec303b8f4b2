"""Reduce an unknown chat template to pieces, and prove on examples that nothing is lost."""

from __future__ import annotations

import random
from itertools import takewhile

from webgemma.chat.render import ChatData, Role, Thought, render_text
from webgemma.chat.sandbox import Conversation, Message, Rendering, render_template
from webgemma.errors import UnsupportedError
from webgemma.tokenizer import PieceTable

NUM_CONVERSATIONS = 64
MAX_REPLIES = 4
ADVICE = "Give another one with --chat-template: 'gemma', 'none', or a jinja file."

# Words that a template has no reason to change; the spaces around them show whether it trims.
_SYSTEM, _USER, _ASSISTANT, _SECOND, _THOUGHT = (f"Zq{index}wX" for index in range(5))
THOUGHT_END = "</think>"
"""Ends what a model thinks before it replies (DeepSeek R1, Qwen 3): templates cut there."""
_WORDS = (
    "hello", "world", "2 + 2", "naïve", "中文", "👩‍👩‍👧", "line\nbreak", "{{ x }}", "{% raw %}",
    "<b>&amp;</b>", "\u2581", "a\u3000b", "'quote\"", "\\n", "  two  spaces  ",
    "<think>\nhm\n</think>\n\n", THOUGHT_END,
)  # fmt: skip
_SPACES = ("", "", " ", "\n", "\n\n ", "\t", "\u2003", "\x85", "\ufeff", "\x1c", "\r\n")


def derive_chat(template: str, tokenizer: PieceTable, *, bos: str, eos: str) -> ChatData:
    """Render a template with sentinels, cut the result into pieces and compare the two on examples.

    A user's message ends each of them: that is what a model answers, and templates write a reply
    at the end in other ways than the same one before a question.

    Raises:
        UnsupportedError: the template is not of that form, or cannot be rendered.
    """
    turns, systems = _sentinel_turns(), _sentinel_systems()
    examples = [make_conversations(tokenizer, with_system=flag) for flag in (False, True)]
    sent = [turns, systems, *examples]
    renderings = render_template(
        template, [one for group in sent for one in group], bos_token=bos, eos_token=eos
    )
    given = iter(renderings)
    of_turns, of_systems, of_examples, of_system_examples = (
        [next(given) for _ in group] for group in sent
    )
    chat = _cut_turns(_texts(of_turns), tokenizer)
    _compare(chat, examples[0], of_examples)
    spaced, plain = (rendering.text for rendering in of_systems)
    if spaced is None or plain is None or _SYSTEM not in spaced:
        return chat  # the template refuses or drops system messages; ours go into the user's turn
    chat["roles"]["system"] = _cut_system(spaced, plain)
    _compare(chat, examples[1], of_system_examples)
    return chat


def _message(role: str, word: str) -> Message:
    return Message(role=role, content=f" \n{word}\n ")


def _sentinel_turns() -> list[Conversation]:
    """List what the pieces are cut from: one and two questions, and a reply with a thought."""
    user, assistant = _message("user", _USER), _message("assistant", _ASSISTANT)
    second = _message("user", _SECOND)
    thought = f"<think>\n{_THOUGHT}\n{THOUGHT_END}\n\n{_ASSISTANT}\n "
    return [
        Conversation([user], add_generation_prompt=False),
        Conversation([user], add_generation_prompt=True),
        Conversation([user, assistant, second], add_generation_prompt=False),
        Conversation(
            [user, Message(role="assistant", content=thought), second], add_generation_prompt=False
        ),
    ]


def _sentinel_systems() -> list[Conversation]:
    """List what the system's pieces are cut from: before a question with spaces, and without."""
    system = _message("system", _SYSTEM)
    users = (_message("user", _USER), Message(role="user", content=_USER))
    return [Conversation([system, user], add_generation_prompt=False) for user in users]


def _texts(renderings: list[Rendering]) -> list[str]:
    """Take the texts, or say why there is none."""
    for rendering in renderings:
        if rendering.text is None:
            raise UnsupportedError(
                f"chat template: it cannot be rendered for a user and an assistant: "
                f"{rendering.error[:300]}. {ADVICE}"
            )
    return [rendering.text for rendering in renderings if rendering.text is not None]


def _cut_turns(texts: list[str], tokenizer: PieceTable) -> ChatData:
    """Find prefix, role pieces and generation prefix in the renderings without a system message."""
    one, asked, two, thinking = texts
    head, user_suffix, trim_user = _cut(one, _USER)
    if not asked.startswith(one):
        raise _irregular("a generation prompt changes the text before it")
    _, rest, _ = _cut(two, _USER)
    between, rest, trim_assistant = _cut(rest, _ASSISTANT)
    again, _, _ = _cut(rest, _SECOND)
    if not between.startswith(user_suffix):
        raise _irregular("the last message is written in another way than the same one before it")
    user_prefix = _common_end(head, again, tokenizer)
    assistant: Role = {
        "prefix": between[len(user_suffix) :],
        "suffix": again.removesuffix(user_prefix),
        "trim": trim_assistant,
    }
    if _THOUGHT not in thinking:
        assistant["thought"] = _cut_thought(thinking, between)
    return {
        "prefix": head.removesuffix(user_prefix),
        "roles": {
            "user": {"prefix": user_prefix, "suffix": user_suffix, "trim": trim_user},
            "assistant": assistant,
            "system": {"prefix": head, "suffix": "\n\n", "trim": trim_user},
        },
        "generation_prefix": asked[len(one) :],
    }


def _common_end(first: str, second: str, tokenizer: PieceTable) -> str:
    """Find the longest end of both texts that begins within none of their control tokens."""
    common = ""
    ends = (reversed(tokenizer.split_control(text)) for text in (first, second))
    for a, b in zip(*ends, strict=False):
        if a != b:
            if isinstance(a, str) and isinstance(b, str):
                same = takewhile(
                    lambda pair: pair[0] == pair[1], zip(a[::-1], b[::-1], strict=False)
                )
                common = "".join(c for c, _ in same)[::-1] + common
            break
        common = (a if isinstance(a, str) else tokenizer.piece(a)) + common
    return common


def _cut_thought(text: str, between: str) -> Thought:
    """Find what is left of a reply whose thought the template leaves out."""
    _, rest, _ = _cut(text, _USER)
    before, _, _ = _cut(rest, _ASSISTANT)
    return {"end": THOUGHT_END, "trim_lines": before == between}


def _cut_system(spaced: str, plain: str) -> Role:
    """Find what stands before a system message, and between it and the first user's message."""
    prefix, rest, trim = _cut(spaced, _SYSTEM)
    before, _, _ = _cut(rest, _USER)
    _, rest, _ = _cut(plain, _SYSTEM)
    suffix, _, _ = _cut(rest, _USER)
    role: Role = {"prefix": prefix, "suffix": suffix, "trim": trim}
    if before == suffix + " \n":  # spaces after the user's message went, those before it stayed
        role["joined"] = True
    return role


def _cut(text: str, word: str) -> tuple[str, str, bool]:
    r"""Cut a text around the only place where a sentinel stands.

    Returns:
        The text before and after the message, and whether the "\n" around the word were trimmed.
    """
    if text.count(word) != 1:
        raise _irregular(f"a message is written {text.count(word)} times")
    before, after = text.split(word)
    if before.endswith(" \n") and after.startswith("\n "):
        return before[:-2], after[2:], False
    return before, after, True


def make_conversations(
    tokenizer: PieceTable, *, with_system: bool, count: int = NUM_CONVERSATIONS
) -> list[Conversation]:
    """Make seeded conversations of 1 to 5 questions: spaces, Unicode, control tokens as text."""
    source = random.Random(f"chat {with_system}")
    control = sorted(tokenizer.piece(token_id) for token_id in tokenizer.control_token_ids)
    words = [*_WORDS, *control[:16], "<start_of_turn>", "<end_of_turn>", "<|im_end|>"]
    conversations = []
    for index in range(count):
        replies = index % (MAX_REPLIES + 1)
        messages: list[Message] = []
        for role in [*["system"] * with_system, *["user", "assistant"] * replies, "user"]:
            length = source.randrange(0 if role == "user" else 1, 6)
            content = " ".join(source.choice(words) for _ in range(length))
            content = source.choice(_SPACES) + content + source.choice(_SPACES)
            messages.append(Message(role=role, content=content))
        prompt = source.random() < 0.7
        conversations.append(Conversation(messages, add_generation_prompt=prompt))
    return conversations


def _compare(
    chat: ChatData, conversations: list[Conversation], renderings: list[Rendering]
) -> None:
    """Check that the pieces give the very text that jinja2 gave."""
    for conversation, rendering in zip(conversations, renderings, strict=True):
        text = render_text(
            chat, conversation.messages, add_generation_prefix=conversation.add_generation_prompt
        )
        if rendering.text is None:
            raise _irregular(
                f"it fails for {len(conversation.messages)} messages: {rendering.error[:300]}"
            )
        if rendering.text != text:
            at = next(
                (i for i, (a, b) in enumerate(zip(text, rendering.text, strict=False)) if a != b),
                min(len(text), len(rendering.text)),
            )
            start = max(0, at - 20)
            raise _irregular(
                f"for {len(conversation.messages)} messages it gives "
                f"{rendering.text[start : at + 40]!r} at character {start} where the pieces give "
                f"{text[start : at + 40]!r}"
            )


def _irregular(why: str) -> UnsupportedError:
    """Make the error for a template that pieces cannot express."""
    return UnsupportedError(
        f"chat template: it cannot be reduced to a prefix and a suffix for each role: {why}. "
        f"{ADVICE}"
    )
