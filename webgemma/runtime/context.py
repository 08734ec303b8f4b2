"""Conversations that outgrow the context. The twin of web/runtime/context.js."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Messages = Sequence[Mapping[str, Any]]

RESERVED = 4  # the reply may count on a quarter of the context, and cuts are so far apart


def drop_oldest(
    messages: Messages,
    context_window_size: int,
    max_tokens: int | None,
    count_tokens: Callable[[Messages], int],
) -> Messages:
    """The newest turns of a chat that leave the reply room.

    Room is max_tokens, at most a quarter of the context. The oldest turns go first; the system
    message and the last message stay. As the chat grows, the cut does not move with every turn
    but by a quarter of the context at a time: in between, chats begin alike, and the caches serve.

    Args:
        messages: A chat that ends with a user's message.
        context_window_size: Tokens the caches hold.
        max_tokens: The longest reply; None: as long as it may be.
        count_tokens: Of a chat.
    """
    stride = -(-context_window_size // RESERVED)
    most = context_window_size - min(stride if max_tokens is None else max_tokens, stride)
    num_system = int(messages[0]["role"] == "system")
    everything = count_tokens(messages)
    if everything <= most:
        return messages
    goal = stride  # tokens to drop, at least
    kept = messages
    for start in range(num_system + 2, len(messages), 2):
        kept = [*messages[:num_system], *messages[start:]]
        left = count_tokens(kept)
        if everything - left < goal:
            continue
        if left <= most:
            break
        goal = stride * ((everything - left) // stride + 1)
    return kept
