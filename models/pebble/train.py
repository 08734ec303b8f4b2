"""Train Pebble from nothing: one seed, two CPU cores, about an hour.

Run `python models/pebble/train.py`. The state is saved as it goes; the same command
carries on where it stopped, and ends with the same weights up to rounding of the machine.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Mapping
from pathlib import Path
from random import Random

# A waiting thread sleeps instead of spinning: the machine may have other work. Before torch.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from export import write_checkpoint, write_json
from model import Config, Pebble
from packing import Batch, draw_batch
from sentencepiece import SentencePieceProcessor
from tokenizer_json import tokenizer_json
from torch.nn import functional
from train_tokenizer import train_tokenizer
from world import LATE_WEIGHTS, SECOND_ROUND_WEIGHTS, THIRD_ROUND_WEIGHTS, WEIGHTS

HERE = Path(__file__).parent
CHECKPOINT = HERE / "checkpoint"
STATE = HERE.parents[1] / "build" / "pebble" / "state.pt"

TOKENS_PER_STEP = 4096
EARLY_STEPS = 750
EARLY_ROW_LENGTH = 512
ROW_LENGTH = 256  # most conversations fit, and attention costs less than in longer rows
ROUNDS = (1800, 2200)  # here the learning rate reaches zero, and then a shorter round begins
STORY_STEPS = 1050  # many stories first: they teach the language
LONG_ROW_LENGTH = 1024  # the whole context, practised in some steps of the last part
LONG_SHARE = 0.2
LONG_EVERY = 4
WARMUP_STEPS = 60
DECAY_SHARE = 0.4
MATRIX_RATE = 0.02
VECTOR_RATE = 0.003
PRINT_EVERY = 20


def end_of_round(step: int, num_steps: int) -> int:
    """Return the step at which the round of this step ends."""
    return min((end for end in ROUNDS if step < end <= num_steps), default=num_steps)


def weights_at(step: int) -> Mapping[str, float]:
    """Return how often each category is drawn at this step."""
    if step < STORY_STEPS:
        return WEIGHTS
    if step < ROUNDS[0]:
        return LATE_WEIGHTS
    return SECOND_ROUND_WEIGHTS if step < ROUNDS[1] else THIRD_ROUND_WEIGHTS


def learning_rate_factor(step: int, num_steps: int) -> float:
    """Warm up, hold, and fall in a straight line to zero over the last part of the round."""
    num_steps = end_of_round(step, num_steps)
    left = (num_steps - step) / (num_steps * DECAY_SHARE)
    return min(1.0, (step + 1) / WARMUP_STEPS, left)


def make_optimizers(model: Pebble) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, AdamW for the embedding and the norms."""
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    return [
        torch.optim.Muon(matrices, lr=MATRIX_RATE, weight_decay=0.01, momentum=0.95),
        torch.optim.AdamW(others, lr=VECTOR_RATE, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def batch_for(step: int, num_steps: int, seed: int, tokenizer: SentencePieceProcessor) -> Batch:
    """Draw the batch of this step: it depends on the seed and the step alone."""
    rng = Random(f"{seed}:{step}")
    weights = weights_at(step)
    if step >= end_of_round(step, num_steps) * (1 - LONG_SHARE) and step % LONG_EVERY == 0:
        rows = TOKENS_PER_STEP // LONG_ROW_LENGTH
        return draw_batch(
            rng, tokenizer, num_rows=rows, row_length=LONG_ROW_LENGTH, longest=14, weights=weights
        )
    row_length = EARLY_ROW_LENGTH if step < EARLY_STEPS else ROW_LENGTH
    rows = TOKENS_PER_STEP // row_length
    return draw_batch(rng, tokenizer, num_rows=rows, row_length=row_length, weights=weights)


def reply_loss(model: Pebble, batch: Batch) -> torch.Tensor:
    """Mean cross-entropy over the tokens of the replies."""
    counts = batch.targets >= 0
    with torch.autocast("cpu", torch.bfloat16):
        states = model.model(batch.token_ids, batch.segments)
        logits = model.logits(states[counts])
    return functional.cross_entropy(logits, batch.targets[counts])


def save_state(
    model: Pebble, optimizers: list[torch.optim.Optimizer], step: int, state_path: Path
) -> None:
    """Save everything that is needed to carry on at `step`."""
    state_path.parent.mkdir(parents=True, exist_ok=True)
    half = state_path.with_suffix(".part")
    optimizer_states = [o.state_dict() for o in optimizers]
    torch.save({"step": step, "model": model.state_dict(), "optimizers": optimizer_states}, half)
    half.replace(state_path)


def load_state(model: Pebble, optimizers: list[torch.optim.Optimizer], state_path: Path) -> int:
    """Restore a saved state and return its step, or return 0 if there is none."""
    if not state_path.exists():
        return 0
    state = torch.load(state_path)
    model.load_state_dict(state["model"])
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    return int(state["step"])


def train(*, num_steps: int, seed: int, save_every: int, out: Path, state_path: Path) -> None:
    """Train for `num_steps` steps and leave a checkpoint in `out`."""
    torch.manual_seed(seed)
    torch.set_num_threads(2)
    if not (out / "tokenizer.model").exists():
        train_tokenizer(out / "tokenizer.model", seed=seed)
    tokenizer = SentencePieceProcessor(model_file=str(out / "tokenizer.model"))
    write_json(out / "tokenizer.json", tokenizer_json(tokenizer))
    model = Pebble(Config())
    optimizers = make_optimizers(model)
    start = load_state(model, optimizers, state_path)
    started, losses = time.time(), []
    for step in range(start, num_steps):
        factor = learning_rate_factor(step, num_steps)
        for optimizer, rate in zip(optimizers, (MATRIX_RATE, VECTOR_RATE), strict=True):
            optimizer.param_groups[0]["lr"] = rate * factor
        loss = reply_loss(model, batch_for(step, num_steps, seed, tokenizer))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        losses.append(loss.item())
        if (step + 1) % PRINT_EVERY == 0:
            mean = sum(losses) / len(losses)
            print(
                f"step {step + 1}/{num_steps}  loss {mean:.4f}  {time.time() - started:.0f} s",
                flush=True,
            )
            losses = []
        if (step + 1) % save_every == 0 or step + 1 == num_steps:
            save_state(model, optimizers, step + 1, state_path)
            write_checkpoint(out, model.state_dict(), model.config)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--save-every", type=int, default=250)
    parser.add_argument("--out", type=Path, default=CHECKPOINT)
    parser.add_argument("--state", type=Path, default=STATE)
    arguments = parser.parse_args()
    train(
        num_steps=arguments.steps,
        seed=arguments.seed,
        save_every=arguments.save_every,
        out=arguments.out,
        state_path=arguments.state,
    )
