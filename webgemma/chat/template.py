"""Turn a jinja2 chat template into data: prefix, role and suffix pieces, proven on examples."""

from __future__ import annotations

import hashlib
from pathlib import Path

from webgemma.chat.derive import ADVICE, derive_chat
from webgemma.chat.render import ChatData, Role
from webgemma.chat.sandbox import MAX_TEMPLATE_NBYTES
from webgemma.errors import ConfigError
from webgemma.tokenizer import PieceTable, SpecialTokens

KNOWN_TEMPLATES = frozenset(
    {
        # Gemma 1 and Gemma 2, tokenizer_config.json of the instruction-tuned models.
        "ecd6ae513fe103f0eb62e8ab5bfa8d0fe45c1074fa398b089c93a7e70c15cfd6",
        # The same with \n instead of line breaks in its strings.
        "1e51d5c0fec2f83da1953fb850b7b532b7da02d0dc35f9201e671e0b9a35a123",
    }
)
"""SHA-256 of the UTF-8 text of templates that `gemma_chat` stands for."""

_TURN_MARKERS = ("<start_of_turn>", "<end_of_turn>")


def chat_data(
    template: str | None,
    tokenizer: PieceTable,
    *,
    special: SpecialTokens,
    option: str | None = None,
) -> ChatData | None:
    """Make the "chat" of webgemma.json.

    Args:
        template: the jinja2 template that came with the model, if any.
        tokenizer: the model's.
        special: what `special_tokens` found. A model that wants BOS gets it, also where its
            template leaves it to the tokenizer.
        option: `--chat-template`: "gemma", "none" or the path of a jinja file; it replaces
            `template`.

    Returns:
        The template as data; None for a model without one.

    Raises:
        ConfigError: `option` names no template, or one that the vocabulary has no tokens for.
        UnsupportedError: the template cannot be reduced to pieces; says where it differs.
    """
    bos = "" if special.bos_token_id is None else tokenizer.piece(special.bos_token_id)
    eos = "" if special.eos_token_id is None else tokenizer.piece(special.eos_token_id)
    if option == "none":
        return None
    if option == "gemma":
        return gemma_chat(tokenizer, bos)
    if option is not None:
        template = _read_template(Path(option))
    if template is None:
        return None
    if hashlib.sha256(template.encode("utf-8", "replace")).hexdigest() in KNOWN_TEMPLATES:
        return gemma_chat(tokenizer, bos)
    chat = derive_chat(template, tokenizer, bos=bos, eos=eos)
    return _with_bos(chat, bos) if special.add_bos else chat


def gemma_chat(tokenizer: PieceTable, bos: str) -> ChatData:
    """Give the template of Gemma 1 and Gemma 2.

    Google's own refuses system messages; here one goes before the first message of the user,
    followed by an empty line, as in Gemma 3's template and in llama.cpp.

    Raises:
        ConfigError: the vocabulary has no turn markers: this is no chat model of Gemma's.
    """
    for marker in _TURN_MARKERS:
        if tokenizer.token_id(marker) not in tokenizer.control_token_ids:
            raise ConfigError(
                f"chat template 'gemma': the vocabulary has no control token {marker!r}. {ADVICE}"
            )
    start, end = (f"<start_of_turn>{role}\n" for role in ("user", "model"))
    user: Role = {"prefix": start, "suffix": "<end_of_turn>\n", "trim": True}
    return {
        "prefix": bos,
        "roles": {
            "user": user,
            "assistant": {**user, "prefix": end},
            "system": {"prefix": bos + start, "suffix": "\n\n", "trim": True},
        },
        "generation_prefix": end,
    }


def _with_bos(chat: ChatData, bos: str) -> ChatData:
    """Put BOS first where the template has not."""
    system = chat["roles"]["system"]
    if bos not in chat["prefix"] + chat["roles"]["user"]["prefix"]:
        chat = {**chat, "prefix": bos + chat["prefix"]}
    if bos not in system["prefix"]:
        system = {**system, "prefix": bos + system["prefix"]}
    return {**chat, "roles": {**chat["roles"], "system": system}}


def _read_template(path: Path) -> str:
    """Read the jinja file that --chat-template names."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_TEMPLATE_NBYTES + 1)
        return content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"--chat-template {path}: {error}. Give 'gemma', 'none', or a jinja file in UTF-8."
        ) from error
