"""Train Opal from nothing: one seed, one CPU core, more than an hour.

    python -m models.opal.train --state build/opal/state.pt --out build/opal/checkpoint

The state is saved as it goes; the same command carries on where it stopped, and ends with the same
weights up to rounding of the machine.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path

# A waiting thread sleeps instead of spinning: the machine may have other work. Before torch.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional
from transformers import PaliGemmaForConditionalGeneration

from .answers import answers_of
from .batches import QUESTIONS, Batch, draw_batch, load_tokenizer
from .cases import held_out_cases
from .export import write_checkpoint
from .judge import judge
from .model import PLACES, AskedHeads, PatchHeads, hidden_states, make_config, make_model
from .world.palette import NAMES
from .world.shapes import KINDS

STATE = Path("build/opal/state.pt")
CHECKPOINT = Path("build/opal/checkpoint")

STEPS = 6000
PICTURES_PER_STEP = 24
LOOKING_STEPS = 600  # first the tower alone learns to see: cheap steps, without any answer
LOOKING_PICTURES = 64
WARMUP_STEPS = 50
HOLD_STEPS = 2100  # from there on the rates fall: so few answers a step are a noisy guide
FALL_STEPS = 2900  # after which they would be 0
RESTART = 3850  # with captions learned: fewer of them, and more is asked of the decoder
RESTART_RATE = 0.6  # of the rates; from there on they fall in a straight line
CAPTION_SHARE = 0.3  # from the restart on
MATRIX_RATE = 0.02
VECTOR_RATE = 0.002
PATCH_WEIGHT = 0.3  # of the patches' loss, once there are answers
ASKED_FROM = 2850  # from there on the decoder is asked about its patches too
BOX_WEIGHT = 10.0  # of the edges' mean distance within the patches' loss
AVERAGE_DECAY = 0.995  # of the moving average of the weights, which is what is exported
PRINT_EVERY = 20
SAVE_SECONDS = 180
GRADED_PICTURES = 60  # of another seed than the grading script's


class Trainer:
    """A model in training: everything that a saved state holds."""

    def __init__(self, seed: int) -> None:
        self.model = make_model(make_config(), seed)
        width = self.model.config.vision_config.hidden_size
        self.heads = PatchHeads(width, len(KINDS), len(NAMES))
        self.asked = AskedHeads(self.model.config.text_config.hidden_size, len(KINDS), len(NAMES))
        self.average = torch.optim.swa_utils.AveragedModel(self.model, multi_avg_fn=move_averages)
        self.optimizers = make_optimizers(self.model, [self.heads, self.asked])
        self.step = 0

    def save(self, path: Path) -> None:
        """Save the state, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_suffix(".part")
        state = {name: part.state_dict() for name, part in self._parts().items()}
        torch.save({"step": self.step, **state}, half)
        half.replace(path)

    def load(self, path: Path) -> None:
        """Carry on from a saved state, if there is one."""
        if not path.exists():
            return
        state = torch.load(path)
        self.step = state["step"]
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def _parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        matrices, vectors = self.optimizers
        return {"model": self.model, "heads": self.heads, "asked": self.asked,
                "average": self.average, "matrices": matrices, "vectors": vectors}  # fmt: skip


@torch.no_grad()
def move_averages(averages: list[Tensor], weights: list[Tensor], num_averaged: Tensor) -> None:
    """Follow the weights: closely while they are young, then over some 200 steps."""
    number = float(num_averaged)
    decay = min(AVERAGE_DECAY, (1 + number) / (10 + number))
    torch._foreach_lerp_(averages, weights, 1 - decay)


def make_optimizers(
    model: PaliGemmaForConditionalGeneration, heads: Sequence[nn.Module]
) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, AdamW for embeddings, norms, biases and heads."""
    named = list(model.named_parameters())
    is_matrix = [p.ndim == 2 and ".layers." in name for name, p in named]
    matrices = [p for (_, p), yes in zip(named, is_matrix, strict=True) if yes]
    others = [p for (_, p), yes in zip(named, is_matrix, strict=True) if not yes]
    others += [parameter for head in heads for parameter in head.parameters()]
    return (
        torch.optim.Muon(matrices, lr=MATRIX_RATE, weight_decay=0.01, momentum=0.95),
        torch.optim.AdamW(others, lr=VECTOR_RATE, betas=(0.9, 0.98), weight_decay=0.0),
    )


def learning_rate_factor(step: int, num_steps: int) -> float:
    """Warm up, twice; hold; fall, steeply at first; and once more, from the restart to zero."""
    if step >= RESTART:
        return RESTART_RATE * (num_steps - step) / (num_steps - RESTART)
    since = step if step < LOOKING_STEPS else step - LOOKING_STEPS
    way = max(0, step - HOLD_STEPS) / FALL_STEPS
    return min(1.0, (since + 1) / WARMUP_STEPS, 1 - way**0.5)


def patch_loss(heads: PatchHeads, features: Tensor, batch: Batch) -> Tensor:
    """How wrong the heads are about kinds, colours and boxes of the patches."""
    kinds, colours, boxes, places = (part.float() for part in heads(features))
    has_thing = batch.kinds < len(KINDS)
    edges = batch.boxes[has_thing]
    distance = (boxes[has_thing] - edges).abs().mean()
    nearest = (edges * PLACES).round().long().clamp(max=PLACES - 1)
    return (
        functional.cross_entropy(kinds.flatten(0, 1), batch.kinds.flatten())
        + functional.cross_entropy(colours.flatten(0, 1), batch.colours.flatten())
        + BOX_WEIGHT * distance
        + functional.cross_entropy(places[has_thing].reshape(-1, PLACES), nearest.flatten())
    )


def asked_loss(
    heads: AskedHeads, layers: Sequence[Tensor], batch: Batch, *, weights: Tensor
) -> Tensor:
    """How wrong the heads are about what is asked (two of them), where, and in which order."""
    colours, kinds = (phrase[:, None].expand_as(batch.ranks) for phrase in batch.phrases.T)
    targets = (colours, kinds, (batch.ranks > 0).long(), batch.ranks)
    losses = [
        functional.cross_entropy(logits.flatten(0, 1), target.flatten())
        for logits, target in zip(heads(layers), targets, strict=True)
    ]
    return torch.stack(losses) @ weights


def asked_weights(step: int) -> Tensor:
    """Of what the decoder's patches are asked: colour and kind in the prompt, whether, and rank."""
    phrase, rest = float(step >= RESTART), float(step >= ASKED_FROM)
    return torch.tensor([phrase, phrase, rest, rest])


def losses_of(trainer: Trainer, batch: Batch, *, answers: bool) -> tuple[Tensor, Tensor, Tensor]:
    """(mean cross-entropy over the tokens of the answers, the patches' loss, the asked one's)."""
    model = trainer.model
    with torch.autocast("cpu", torch.bfloat16):
        seen = model.model.vision_tower(batch.pixels).last_hidden_state
        patches = patch_loss(trainer.heads, seen, batch)
        if not answers:
            return torch.zeros(()), patches, torch.zeros(())
        features = model.model.multi_modal_projector(seen)
        features = features.repeat_interleave(QUESTIONS, dim=0).float()
        states, layers = hidden_states(model, features, batch.token_ids, batch.types)
        counts = batch.targets >= 0
        logits = model.lm_head(states[counts]).float()
        asked = asked_loss(trainer.asked, layers, batch, weights=asked_weights(trainer.step))
    return functional.cross_entropy(logits, batch.targets[counts]), patches, asked


def train_step(trainer: Trainer, tokenizer: Tokenizer, *, seed: int, num_steps: int) -> list[float]:
    """Take one step; return the losses."""
    looking = trainer.step < LOOKING_STEPS
    batch = draw_batch(
        tokenizer, seed=seed, step=trainer.step,
        num_pictures=LOOKING_PICTURES if looking else PICTURES_PER_STEP,
        caption_share=1.0 if trainer.step < RESTART else CAPTION_SHARE,
    )  # fmt: skip
    factor = learning_rate_factor(trainer.step, num_steps)
    for optimizer, rate in zip(trainer.optimizers, (MATRIX_RATE, VECTOR_RATE), strict=True):
        optimizer.param_groups[0]["lr"] = rate * factor
    answer, patches, asked = losses_of(trainer, batch, answers=not looking)
    (patches if looking else answer + PATCH_WEIGHT * patches + asked).backward()
    nn.utils.clip_grad_norm_(trainer.model.parameters(), 1.0)
    for optimizer in trainer.optimizers:
        optimizer.step()
        optimizer.zero_grad()
    trainer.average.update_parameters(trainer.model)
    trainer.step += 1
    return [answer.item(), patches.item(), asked.item()]


def report_held_out(trainer: Trainer, tokenizer: Tokenizer, *, seed: int) -> None:
    """Print how many answers about held-out pictures the averaged model gets right."""
    cases = held_out_cases(GRADED_PICTURES, seed=seed)
    answers = list(answers_of(trainer.average.module.eval(), tokenizer, cases))
    print(f"  held out: {judge(cases, answers)}", flush=True)


def train(
    *, num_steps: int, seed: int, out: Path, state_path: Path, grade_every: int, seconds: float
) -> None:
    """Train for `num_steps` steps, or until `seconds` have passed, and leave a checkpoint."""
    torch.set_num_threads(1)
    tokenizer = load_tokenizer()
    trainer = Trainer(seed)
    trainer.load(state_path)
    started = saved = time.time()
    recent: list[list[float]] = []
    while trainer.step < num_steps and time.time() - started < seconds:
        if trainer.step == LOOKING_STEPS:
            recent = []
        recent.append(train_step(trainer, tokenizer, seed=seed, num_steps=num_steps))
        if trainer.step % PRINT_EVERY == 0:
            means = [sum(column) / len(recent) for column in zip(*recent, strict=True)]
            losses = zip(("answers", "patches", "asked"), means, strict=True)
            recent = []
            print(
                f"step {trainer.step}/{num_steps}  "
                + "  ".join(f"{name} {mean:.4f}" for name, mean in losses)
                + f"  {time.time() - started:.0f} s, {time.process_time():.0f} s of CPU",
                flush=True,
            )
        if trainer.step > LOOKING_STEPS and trainer.step % grade_every == 0:
            report_held_out(trainer, tokenizer, seed=seed)
        if time.time() - saved > SAVE_SECONDS:
            trainer.save(state_path)
            saved = time.time()
    trainer.save(state_path)
    write_checkpoint(out, trainer.average.module)


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--grade-every", type=int, default=250, help="steps")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after these")
    parser.add_argument("--out", type=Path, default=CHECKPOINT)
    parser.add_argument("--state", type=Path, default=STATE)
    arguments = parser.parse_args()
    train(
        num_steps=arguments.steps, seed=arguments.seed, out=arguments.out,
        state_path=arguments.state, grade_every=arguments.grade_every, seconds=arguments.seconds,
    )  # fmt: skip


if __name__ == "__main__":
    main()
