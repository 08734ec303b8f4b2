"""Reduce an unknown chat template to pieces, and prove on examples that nothing is lost."""

from __future__ import annotations

import random

from webgemma.chat.render import ChatData, Role, render_text
from webgemma.chat.sandbox import Conversation, Message, Rendering, render_template
from webgemma.errors import UnsupportedError
from webgemma.tokenizer import Tokenizer

NUM_CONVERSATIONS = 64
MAX_TURNS = 9
ADVICE = "Give another one with --chat-template: 'gemma', 'none', or a jinja file."

# Words that a template has no reason to change; the spaces around them show whether it trims.
_SYSTEM, _USER, _ASSISTANT, _SECOND = (f"Zq{index}wX" for index in range(4))
_WORDS = (
    "hello", "world", "2 + 2", "naïve", "中文", "👩‍👩‍👧", "line\nbreak", "{{ x }}", "{% raw %}",
    "<b>&amp;</b>", "\u2581", "a\u3000b", "'quote\"", "\\n", "  two  spaces  ",
)  # fmt: skip
_SPACES = ("", "", " ", "\n", "\n\n ", "\t", "\u2003", "\x85", "\ufeff", "\x1c", "\r\n")


def derive_chat(template: str, tokenizer: Tokenizer, *, bos: str, eos: str) -> ChatData:
    """Render a template with sentinels, cut the result into pieces and compare the two on examples.

    Raises:
        UnsupportedError: the template is not of that form, or cannot be rendered.
    """
    prompts = _sentinel_conversations()
    examples = make_conversations(tokenizer, with_system=False)
    system_examples = make_conversations(tokenizer, with_system=True)
    renderings = render_template(
        template, [*prompts, *examples, *system_examples], bos_token=bos, eos_token=eos
    )
    chat = _cut_turns(_texts(renderings[: len(prompts) - 1]))
    _compare(chat, examples, renderings[len(prompts) : len(prompts) + len(examples)])
    with_system = renderings[len(prompts) - 1]
    if with_system.text is None or _SYSTEM not in with_system.text:
        return chat  # the template refuses or drops system messages; ours go into the user's turn
    chat["roles"]["system"] = _cut_system(with_system.text)
    _compare(chat, system_examples, renderings[len(prompts) + len(examples) :])
    return chat


def _sentinel_conversations() -> list[Conversation]:
    """List what the pieces are cut from: one, two and three turns, a reply, a system message."""
    user, assistant, second, system = (
        Message(role=role, content=f" \n{word}\n ")
        for role, word in (
            ("user", _USER),
            ("assistant", _ASSISTANT),
            ("user", _SECOND),
            ("system", _SYSTEM),
        )
    )
    return [
        Conversation([user], add_generation_prompt=False),
        Conversation([user], add_generation_prompt=True),
        Conversation([user, assistant], add_generation_prompt=False),
        Conversation([user, assistant, second], add_generation_prompt=False),
        Conversation([system, user], add_generation_prompt=False),
    ]


def _texts(renderings: list[Rendering]) -> list[str]:
    """Take the texts, or say why there is none."""
    for rendering in renderings:
        if rendering.text is None:
            raise UnsupportedError(
                f"chat template: it cannot be rendered for a user and an assistant: "
                f"{rendering.error[:300]}. {ADVICE}"
            )
    return [rendering.text for rendering in renderings if rendering.text is not None]


def _cut_turns(texts: list[str]) -> ChatData:
    """Find prefix, role pieces and generation prefix in the renderings without a system message."""
    one, reply, two, three = texts
    head, user_suffix, trim_user = _cut(one, _USER)
    if not reply.startswith(one):
        raise _irregular("a generation prompt changes the text before it")
    _, rest, _ = _cut(two, _USER)
    between, assistant_suffix, trim_assistant = _cut(rest, _ASSISTANT)
    _, rest, _ = _cut(three, _ASSISTANT)
    again, _, _ = _cut(rest, _SECOND)
    if not (between.startswith(user_suffix) and again.startswith(assistant_suffix)):
        raise _irregular("the last message is written in another way than the same one before it")
    user_prefix = again[len(assistant_suffix) :]
    if not head.endswith(user_prefix):
        raise _irregular("the first message of a user begins in another way than the next one")
    prefix = head[: len(head) - len(user_prefix)]
    return {
        "prefix": prefix,
        "roles": {
            "user": {"prefix": user_prefix, "suffix": user_suffix, "trim": trim_user},
            "assistant": {
                "prefix": between[len(user_suffix) :],
                "suffix": assistant_suffix,
                "trim": trim_assistant,
            },
            "system": {"prefix": head, "suffix": "\n\n", "trim": trim_user},
        },
        "generation_prefix": reply[len(one) :],
    }


def _cut_system(text: str) -> Role:
    """Find what stands before a system message, and between it and the first user's message."""
    prefix, rest, trim = _cut(text, _SYSTEM)
    suffix, _, _ = _cut(rest, _USER)
    return {"prefix": prefix, "suffix": suffix, "trim": trim}


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


def make_conversations(tokenizer: Tokenizer, *, with_system: bool) -> list[Conversation]:
    """Make seeded conversations of 1 to 9 turns: spaces around, Unicode, control-token text."""
    source = random.Random(f"chat {with_system}")
    control = sorted(tokenizer.piece(token_id) for token_id in tokenizer.control_token_ids)
    words = [*_WORDS, *control[:16], "<start_of_turn>", "<end_of_turn>", "<|im_end|>"]
    conversations = []
    for index in range(NUM_CONVERSATIONS):
        turns = index % MAX_TURNS + 1
        roles = ["system"] * with_system + ["user", "assistant"] * MAX_TURNS
        messages: list[Message] = []
        for role in roles[: turns + with_system]:
            count = source.randrange(0 if role == "user" else 1, 6)
            content = " ".join(source.choice(words) for _ in range(count))
            content = source.choice(_SPACES) + content + source.choice(_SPACES)
            messages.append(Message(role=role, content=content))
        prompt = messages[-1]["role"] == "user" and source.random() < 0.7
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
