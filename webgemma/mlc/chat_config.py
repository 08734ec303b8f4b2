"""mlc-chat-config.json: what MLC and WebLLM know of a model beside its weights.

Source: mlc-llm python/mlc_llm/protocol/mlc_chat_config.py, interface/gen_config.py, and
conversation_template/gemma.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webgemma.chat import ChatData
from webgemma.checkpoint import Checkpoint
from webgemma.tokenizer import SpecialTokens, Tokenizer

VERSION = "0.1.0"
MAX_PREFILL_CHUNK = 8192
GEMMA_USER = "<start_of_turn>user\n"
GEMMA_TEMPLATES = {"gemma3_text": "gemma3_instruction"}
"""model_type -> the name of its conversation; gemma_instruction for the older ones."""
NAMES_BY_MARKER = {"<|start_header_id|>": "llama-3", "[INST]": "llama-2", "<|im_start|>": "chatml"}
PLACES = {name: f"{{{name}_message}}" for name in ("user", "assistant", "tool")}


@dataclass(frozen=True, slots=True)
class Chat:
    """What a conversation is made of."""

    data: ChatData | None
    tokenizer: Tokenizer
    special: SpecialTokens

    @property
    def bos(self) -> str:
        """The text of the first token, or nothing."""
        token_id = self.special.bos_token_id
        return "" if token_id is None else self.tokenizer.piece(token_id)


def chat_config(
    checkpoint: Checkpoint,
    *,
    model_type: str,
    quantization: str,
    model_config: Mapping[str, Any],
    chat: Chat,
    tokenizer_files: Sequence[str],
    tokenizer_document: Mapping[str, Any],
) -> dict[str, Any]:
    """The content of mlc-chat-config.json, every field that MLC writes, in its order."""
    context = model_config["context_window_size"]
    generation = checkpoint.generation_config
    is_greedy = generation.get("do_sample") is False
    special = chat.special
    return {
        "version": VERSION,
        "model_type": model_type,
        "quantization": quantization,
        "model_config": dict(model_config),
        "vocab_size": model_config["vocab_size"],
        "active_vocab_size": chat.tokenizer.vocab_size,
        "context_window_size": context,
        "sliding_window_size": -1,
        "prefill_chunk_size": min(context, MAX_PREFILL_CHUNK),
        "attention_sink_size": -1,
        "tensor_parallel_shards": 1,
        "pipeline_parallel_stages": 1,
        "temperature": 0.0 if is_greedy else _number(generation, "temperature"),
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "repetition_penalty": _number(generation, "repetition_penalty"),
        "top_p": _number(generation, "top_p"),
        "tokenizer_files": list(tokenizer_files),
        "tokenizer_info": tokenizer_info(tokenizer_document),
        "conv_template": conversation(chat, model_type),
        "pad_token_id": chat.tokenizer.token_id("<pad>") or 0,
        "bos_token_id": 1 if special.bos_token_id is None else special.bos_token_id,
        "eos_token_id": special.stop_token_ids or [2],
        "model_task": "chat",
        "embedding_metadata": None,
    }


def conversation(chat: Chat, model_type: str) -> dict[str, Any]:
    """The conversation template; "LM", plain text, for a model without a chat template."""
    data = chat.data
    if data is None:
        turns = _turns("LM", {"user": "", "assistant": ""}, [""], "")
    elif data["roles"]["user"]["prefix"] == GEMMA_USER:
        name = GEMMA_TEMPLATES.get(model_type, "gemma_instruction")
        roles = {"user": "<start_of_turn>user", "assistant": "<start_of_turn>model"}
        turns = _turns(name, roles, ["<end_of_turn>\n"], "\n")
        turns["stop_str"] = ["<end_of_turn>"]
    else:
        turns = _derived(data, chat.bos)
    bos = chat.special.bos_token_id
    turns["system_prefix_token_ids"] = [bos] if chat.special.add_bos and bos is not None else None
    turns["stop_token_ids"] = chat.special.stop_token_ids
    return turns


def _derived(data: ChatData, bos: str) -> dict[str, Any]:
    """A template of prefixes and suffixes in MLC's words: all of a prefix is the role's name."""
    user, assistant = data["roles"]["user"], data["roles"]["assistant"]
    seps = [user["suffix"], assistant["suffix"]]
    roles = {"user": user["prefix"], "assistant": data["generation_prefix"]}
    markers = (name for marker, name in NAMES_BY_MARKER.items() if marker in user["prefix"])
    turns = _turns(next(markers, "custom"), roles, seps[:1] if len(set(seps)) == 1 else seps, "")
    system = data["roles"]["system"]
    if system["suffix"].endswith(user["prefix"]):  # a turn of its own
        before = system["prefix"].removeprefix(bos)
        after = system["suffix"].removesuffix(user["prefix"])
        turns["system_template"] = f"{before}{{system_message}}{after}"
    return turns


def _turns(name: str, roles: Mapping[str, str], seps: list[str], separator: str) -> dict[str, Any]:
    """A conversation template with every field of MLC's, in its order."""
    return {
        "name": name,
        "system_template": "{system_message}",
        "system_message": "",
        "system_prefix_token_ids": None,
        "add_role_after_system_message": True,
        "roles": {**roles, "tool": roles["user"]},
        "role_templates": PLACES,
        "messages": [],
        "seps": seps,
        "role_content_sep": separator,
        "role_empty_sep": separator,
        "stop_str": [],
        "stop_token_ids": [],
        "strip_reasoning_in_history": False,
        "function_string": "",
        "use_function_calling": False,
    }


def tokenizer_info(document: Mapping[str, Any]) -> dict[str, Any]:
    """How a tokenizer's pieces become text, read off its tokenizer.json."""
    decoders = _kinds(document.get("decoder"))
    kinds = {"ByteFallback": "byte_fallback", "ByteLevel": "byte_level"}
    return {
        "token_postproc_method": next((v for k, v in kinds.items() if k in decoders), "raw"),
        "prepend_space_in_encode": "Prepend" in _kinds(document.get("normalizer")),
        "strip_space_in_decode": "Strip" in decoders,
    }


def _kinds(part: Any) -> list[str]:
    """The types of a step of a tokenizer, and of the steps it is a sequence of."""
    if not isinstance(part, Mapping):
        return []
    steps = [*part.get("decoders", []), *part.get("normalizers", [])]
    return [str(part.get("type")), *(kind for step in steps for kind in _kinds(step))]


def _number(generation: Mapping[str, Any], key: str) -> float:
    """A setting of generation_config.json; 1 is MLC's default for all of them."""
    value = generation.get(key)
    return float(value) if isinstance(value, int | float) else 1.0
