"""Learn Pebble's word pieces: a sentencepiece BPE model laid out like Gemma's."""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterator
from pathlib import Path
from random import Random

import sentencepiece
from chat import SPECIAL_TOKENS, conversation_text
from world import conversation

HERE = Path(__file__).parent
VOCAB_SIZE = 1024
NUM_CONVERSATIONS = 20_000
# Gemma gives runs of newlines and of spaces their own pieces; so do we, only fewer.
WHITESPACE_PIECES = ("\n", "\n\n", "\n\n\n", "▁▁", "▁▁▁▁")


def sample_lines(seed: int) -> Iterator[str]:
    """Yield rendered conversations line by line; newlines are pieces of their own anyway."""
    rng = Random(f"tokenizer:{seed}")
    for _ in range(NUM_CONVERSATIONS):
        turns = [(e.prompt, e.reply) for e in conversation(rng)]
        yield from (line for line in conversation_text(turns).splitlines() if line)


def train_tokenizer(path: Path, *, seed: int) -> None:
    """Write `tokenizer.model`."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=sample_lines(seed),
        model_writer=model,
        model_type="bpe",
        vocab_size=VOCAB_SIZE,
        pad_id=SPECIAL_TOKENS["<pad>"], pad_piece="<pad>",
        eos_id=SPECIAL_TOKENS["<eos>"], eos_piece="<eos>",
        bos_id=SPECIAL_TOKENS["<bos>"], bos_piece="<bos>",
        unk_id=SPECIAL_TOKENS["<unk>"], unk_piece="<unk>",
        user_defined_symbols=["<start_of_turn>", "<end_of_turn>", *WHITESPACE_PIECES],
        byte_fallback=True,
        split_digits=True,
        normalization_rule_name="identity",
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        character_coverage=1.0,
        num_threads=1,
        minloglevel=1,
    )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.getvalue())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE / "checkpoint" / "tokenizer.model")
    parser.add_argument("--seed", type=int, default=2)
    arguments = parser.parse_args()
    train_tokenizer(arguments.out, seed=arguments.seed)
