"""From text or messages to a model's tokens. web/runtime/prompt.js is its twin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webgemma.chat import ChatData, render_chat
from webgemma.errors import ConfigError, UnsupportedError
from webgemma.program.spec import Program
from webgemma.runtime.context import drop_oldest
from webgemma.runtime.options import Options
from webgemma.runtime.tools import Toolset, plain_messages, reply_start
from webgemma.runtime.vision import vision_prompt
from webgemma.tokenizer import Tokenizer

Prompt = str | Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class PromptEncoder:
    """What the prompts of one model look like."""

    manifest: Mapping[str, Any]
    program: Program
    tokenizer: Tokenizer
    context_window_size: int

    def encode(
        self,
        prompt: Prompt,
        *,
        has_image: bool = False,
        tools: Toolset | None = None,
        options: Options | None = None,
    ) -> list[int]:
        """Token ids of a prompt: chat messages by the model's template, or text after BOS.

        A text is put into the template as one user's message if the model has a template. One
        for a model that sees comes after the image, if there is one.

        Args:
            prompt: Text or messages.
            has_image: Whether the prompt is about one.
            tools: Functions to tell the model of.
            options: Say whether the oldest messages may be dropped, and for how long a reply.

        Raises:
            ConfigError: messages for a model without a chat template, or in a wrong order.
            UnsupportedError: this model cannot be told of functions.
        """
        chat = self.manifest.get("chat")
        image = self.program.image
        if isinstance(prompt, str) and (image is not None or chat is None):
            if tools:
                msg = "tools: the model has no chat template. Describe functions in the prompt."
                raise UnsupportedError(msg)
            if image is None:
                return self.encode_text(prompt)
            text = self.tokenizer.encode(prompt + image["suffix"])
            return vision_prompt(image, self.encode_text(""), text, has_image=has_image)
        if chat is None:
            msg = "messages: the model has no chat template. Give the prompt as one text."
            raise ConfigError(msg)
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        return self.encode_chat(chat, messages, tools, options)

    def encode_chat(
        self,
        chat: ChatData,
        messages: Sequence[Mapping[str, Any]],
        tools: Toolset | None,
        options: Options | None,
    ) -> list[int]:
        """Token ids of a chat, and of how the reply has to begin."""
        start = self.tokenizer.encode(reply_start(tools))
        kept = plain_messages(chat, messages, tools)
        if options is not None and options.drops_oldest:
            kept = drop_oldest(
                kept,
                self.context_window_size - len(start),
                options.max_tokens,
                lambda some: len(render_chat(chat, some, self.tokenizer)),
            )
        return [*render_chat(chat, kept, self.tokenizer), *start]

    def encode_text(self, text: str) -> list[int]:
        """Token ids of plain text, after BOS if the model wants one."""
        bos = self.manifest["generation"].get("bos_token_id")
        return [*([] if bos is None else [bos]), *self.tokenizer.encode(text)]
