"""Reads a model's configuration under its Hugging Face names, from either source format.

Every key that was not read and is not known to be harmless is an error that lists it: an unknown
key could change the mathematics.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from webgemma.checkpoint import Checkpoint
from webgemma.errors import FormatError, UnsupportedError

GGUF_KEYS = {
    "num_attention_heads": "attention.head_count",
    "num_key_value_heads": "attention.head_count_kv",
    "head_dim": "attention.key_length",
    "hidden_size": "embedding_length",
    "intermediate_size": "feed_forward_length",
    "num_hidden_layers": "block_count",
    "rms_norm_eps": "attention.layer_norm_rms_epsilon",
    "max_position_embeddings": "context_length",
    "rope_theta": "rope.freq_base",
    "sliding_window": "attention.sliding_window",
    "attn_logit_softcapping": "attn_logit_softcapping",
    "final_logit_softcapping": "final_logit_softcapping",
    "sliding_window_pattern": "attention.sliding_window_pattern",
    "rope_local_base_freq": "rope.freq_base_swa",
    "query_pre_attn_scalar": "attention.query_pre_attn_scalar",
    "layer_norm_eps": "attention.layer_norm_epsilon",
}
"""Hugging Face name -> GGUF key, after "<architecture>."."""

HARMLESS_GGUF = {"attention.value_length", "vocab_size"}
HARMLESS_HF = {
    "_name_or_path", "architectures", "attention_dropout", "bos_token_id", "cache_implementation",
    "dtype", "eos_token_id", "id2label", "initializer_range", "label2id", "model_type",
    "pad_token_id", "torch_dtype", "transformers_version", "unsloth_fixed", "unsloth_version",
    "use_cache", "return_dict", "output_hidden_states", "output_attentions", "problem_type",
    "chunk_size_feed_forward", "is_encoder_decoder", "unk_token_id",
}  # fmt: skip
"""Keys of config.json that do not change the forward pass."""

FIXED_HF: dict[str, tuple[object, ...]] = {
    "attention_bias": (False, None),
    "mlp_bias": (False, None),
    "tie_word_embeddings": (True, None),
    "pretraining_tp": (1, None),
    "use_sliding_window": (False, None),
    "use_bidirectional_attention": (False, None),
    "rope_scaling": (None,),
    "quantization_config": (None,),
}
"""Keys of config.json that may be there only with these values."""


@dataclass(slots=True)
class KeyReader:
    """The configuration of one checkpoint; remembers which keys were read."""

    checkpoint: Checkpoint
    seen: set[str] = field(default_factory=set)

    @property
    def is_gguf(self) -> bool:
        """Whether keys are GGUF's."""
        return self.checkpoint.format == "gguf"

    def find(self, name: str) -> tuple[str, object]:
        """(the source's key, its value or None)."""
        key = name
        if self.is_gguf:
            key = f"{self.checkpoint.architecture}.{GGUF_KEYS.get(name, name)}"
        self.seen.add(key)
        return key, self.checkpoint.metadata.get(key)

    def fail(self, key: str, got: object, expected: str) -> FormatError:
        """The error for a key of the wrong kind."""
        shown = "nothing" if got is None else repr(got)[:60]
        return FormatError(
            f"{self.checkpoint.path}: key {key!r}: got {shown}, expected {expected}. "
            "The configuration is damaged; fetch the model again."
        )

    def integer(self, name: str, most: int, default: int | None = None) -> int:
        """An integer from 1 to `most`."""
        key, value = self.find(name)
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise self.fail(key, value, f"an integer from 1 to {most}")
        return value

    def number(self, name: str, default: float) -> float:
        """A positive finite number."""
        key, value = self.find(name)
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
            raise self.fail(key, value, "a positive number")
        return float(value)

    def softcap(self, name: str, default: float) -> float:
        """A soft cap; null in config.json switches it off, which is 0, as a default of 0 does."""
        key, value = self.find(name)
        if value is None and (key in self.checkpoint.metadata or not default):
            return 0.0
        return self.number(name, default)

    def word(self, name: str, allowed: tuple[str, ...]) -> None:
        """Check a word that config.json gives; GGUF has none."""
        if self.is_gguf:
            return
        for key in (name, "hidden_act"):
            value = self.find(key)[1]
            if value is not None and value not in allowed:
                msg = (
                    f"{self.checkpoint.path}: key {key!r}: {value!r} is not supported "
                    f"(have {', '.join(allowed)})."
                )
                raise UnsupportedError(msg)

    def words(self, name: str, allowed: tuple[str, ...], length: int) -> list[str] | None:
        """A list of `length` words, or None when it is absent."""
        key, value = self.find(name)
        if value is None:
            return None
        if not isinstance(value, list) or len(value) != length or set(value) - set(allowed):
            raise self.fail(key, value, f"a list of {length} words of {', '.join(allowed)}")
        return value

    def vocab_size(self, default: int | None = None) -> int:
        """Rows of the embedding: config.json's vocab_size, or the length of GGUF's token list."""
        if not self.is_gguf:
            return self.integer("vocab_size", 1 << 20, default)
        tokens = (self.checkpoint.tokenizer.gguf or {}).get("tokenizer.ggml.tokens")
        if not isinstance(tokens, list | tuple) or not tokens:
            raise self.fail("tokenizer.ggml.tokens", tokens, "a list of tokens")
        return len(tokens)

    def head_dim(self, default: int | None = None) -> int:
        """Columns of a head, all of which must turn: GGUF may say that some do not."""
        size = self.integer("head_dim", 512, default)
        key, turning = self.find("rope.dimension_count")
        if turning is not None and turning != size:
            msg = (
                f"{self.checkpoint.path}: key {key!r}: {turning!r} is not supported (have {size}, "
                "the whole head)."
            )
            raise UnsupportedError(msg)
        return size

    def only(self, name: str, supported: object) -> None:
        """Refuse a key that is there with any other value."""
        key, value = self.find(name)
        if value is not None and value != supported:
            msg = f"{self.checkpoint.path}: key {key!r}: {value!r} is not supported (have "
            raise UnsupportedError(f"{msg}{supported!r}).")

    def flag(self, name: str, default: bool) -> bool:
        """True or false."""
        key, value = self.find(name)
        value = default if value is None else value
        if not isinstance(value, bool):
            raise self.fail(key, value, "true or false")
        return value

    def finish(self) -> None:
        """Refuse keys that nobody read and that could change the mathematics.

        Raises:
            UnsupportedError: lists them.
        """
        left = self._unread_gguf() if self.is_gguf else self._unread_hf()
        if left:
            msg = (
                f"{self.checkpoint.path}: keys that webgemma does not know for architecture "
                f"{self.checkpoint.architecture!r}: {', '.join(left)}. They could change the "
                "mathematics, so the model is not built."
            )
            raise UnsupportedError(msg)

    def _unread_gguf(self) -> list[str]:
        prefix = f"{self.checkpoint.architecture}."
        return sorted(
            key
            for key in self.checkpoint.metadata
            if key.startswith(prefix)
            and key not in self.seen
            and key.removeprefix(prefix) not in HARMLESS_GGUF
        )

    def _unread_hf(self) -> list[str]:
        left = []
        for key, value in self.checkpoint.metadata.items():
            if key in self.seen or key in HARMLESS_HF:
                continue
            if key in FIXED_HF and value in FIXED_HF[key]:
                continue
            left.append(f"{key}={value!r}" if key in FIXED_HF else key)
        return sorted(left)
