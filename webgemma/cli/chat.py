"""A chat in the terminal, for `webgemma run` without a prompt."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from webgemma.errors import ConfigError

if TYPE_CHECKING:
    from webgemma.runtime.generation import Generation

Messages = list[dict[str, str]]

HELP = "Enter sends. /new starts over, /quit or Ctrl-D ends, Ctrl-C stops an answer."


def typed_lines() -> Iterator[str]:
    """Yield what the user types, line by line, until Ctrl-D."""
    is_terminal = sys.stdin.isatty()
    if is_terminal:
        import readline  # noqa: F401 - gives input() history and editing

        print(HELP, file=sys.stderr)
    while True:
        try:
            yield input("> " if is_terminal else "")
        except EOFError:
            return
        except KeyboardInterrupt:
            print(file=sys.stderr)
            return


def chat(
    lines: Iterable[str],
    answer: Callable[[str | Messages], Generation],
    *,
    remembers: bool = True,
) -> None:
    """Answer each line, until /quit or the last line.

    Args:
        lines: What the user types.
        answer: Makes the model's answer, to one text or to a conversation.
        remembers: Answer in the light of what was said before; a model without a chat template
            continues each line on its own.
    """
    messages: Messages = []
    for line in lines:
        text = line.strip()
        if text == "/quit":
            return
        if text == "/new":
            messages = []
        elif text and not remembers:
            print_pieces(answer(text))
        elif text:
            messages = _exchange(messages, text, answer)


def _exchange(
    messages: Messages, text: str, answer: Callable[[str | Messages], Generation]
) -> Messages:
    """Answer one message; return the conversation with it, or as it was if it does not fit."""
    asked = [*messages, {"role": "user", "content": text}]
    try:
        generation = answer(asked)
    except ConfigError as error:
        if not messages:
            raise
        print(f"{error} /new starts over.", file=sys.stderr)
        return messages
    print_pieces(generation)
    return [*asked, {"role": "assistant", "content": generation.text}]


def print_pieces(generation: Generation) -> None:
    """Print an answer as it comes, then its speed on stderr; Ctrl-C stops it."""
    stopped = False
    try:
        for piece in generation:
            print(piece, end="", flush=True)
    except KeyboardInterrupt:
        stopped = True
    print(flush=True)
    speed = generation.timings.get("decode_tokens_per_s", 0.0)
    reason = "stopped" if stopped else generation.finish_reason
    print(f"({len(generation.tokens)} tokens, {speed:.1f} per second, {reason})", file=sys.stderr)
