"""Chat templates as data: reduced when a site is built, rendered by both runners."""

from __future__ import annotations

from webgemma.chat.render import ChatData, render_chat
from webgemma.chat.template import chat_data

__all__ = ["ChatData", "chat_data", "render_chat"]
