"""Opal's shape, its first weights, and the passes that training needs.

The mathematics is transformers' own PaliGemma: a SigLIP tower, one matrix, and Gemma behind them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PaliGemmaConfig, PaliGemmaForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutputWithPooling

from .tokenizer_json import BOS, EOS, FIRST_LOCATION, IMAGE, PAD, list_pieces
from .world.pictures import MAX_THINGS
from .world.questions import BIN_STEP, BINS

IMAGE_SIZE = 96
PATCH_SIZE = 12
SIDE = IMAGE_SIZE // PATCH_SIZE  # patches in a row
NUM_PATCHES = SIDE**2
PLACES = BINS // BIN_STEP  # that an edge of a box can have in an answer
HIDDEN_SIZE = 160

VISION: dict[str, Any] = {
    "model_type": "siglip_vision_model", "hidden_size": 160, "intermediate_size": 480,
    "num_hidden_layers": 4, "num_attention_heads": 5, "image_size": IMAGE_SIZE,
    "patch_size": PATCH_SIZE, "vision_use_head": False, "projection_dim": HIDDEN_SIZE,
}  # fmt: skip
TEXT: dict[str, Any] = {
    "model_type": "gemma", "hidden_size": HIDDEN_SIZE, "intermediate_size": 448,
    "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 40,
    "max_position_embeddings": 512, "bos_token_id": BOS, "eos_token_id": EOS, "pad_token_id": PAD,
    "initializer_range": 0.05, "tie_word_embeddings": True,
}  # fmt: skip

EMBEDDING_SCALE = 0.06  # of the first embedding; times sqrt(160), it enters with about 0.8
LOWEST_WAVE, HIGHEST_WAVE = 0.5, 16.0  # periods over a picture, in the first embedding of places


def make_config(**changes: dict[str, Any]) -> PaliGemmaConfig:
    """The configuration; `text` and `vision` replace some of its numbers."""
    vocab_size = len(list_pieces())
    text = TEXT | {"vocab_size": vocab_size} | changes.get("text", {})
    hidden_size = text["hidden_size"]
    vision = VISION | {"projection_dim": hidden_size} | changes.get("vision", {})
    return PaliGemmaConfig(
        text_config=text, vision_config=vision, image_token_index=IMAGE, vocab_size=vocab_size,
        projection_dim=hidden_size, hidden_size=hidden_size, bos_token_id=BOS, eos_token_id=EOS,
        pad_token_id=PAD, tie_word_embeddings=True,
    )  # fmt: skip


def make_model(config: PaliGemmaConfig, seed: int) -> PaliGemmaForConditionalGeneration:
    """A model with its first weights.

    Locations begin as waves over the picture, so that neighbours look alike: what is learned of
    one place is nearly right for the next. Positions of patches begin as the same waves.
    """
    torch.manual_seed(seed)
    model = PaliGemmaForConditionalGeneration(config)
    # Of bfloat16, torch's own products are several times as fast on a CPU as its fused attention.
    model.set_attn_implementation("eager")
    hidden_size = config.text_config.hidden_size
    table = model.get_input_embeddings().weight
    places = torch.arange(BINS) / BINS
    side = config.vision_config.image_size // config.vision_config.patch_size
    centres = (torch.arange(side) + 0.5) / side
    with torch.no_grad():
        table.normal_(0, EMBEDDING_SCALE)
        table[FIRST_LOCATION : FIRST_LOCATION + BINS] = EMBEDDING_SCALE * waves(places, hidden_size)
        model.model.multi_modal_projector.linear.weight.normal_(
            0, config.vision_config.hidden_size**-0.5
        )
        width = config.vision_config.hidden_size // 2
        rows = waves(centres, width)[:, None].expand(side, side, width)
        columns = waves(centres, width)[None].expand(side, side, width)
        positions = torch.cat([rows, columns], dim=-1).flatten(0, 1)
        model.model.vision_tower.embeddings.position_embedding.weight.copy_(0.5 * positions)
    return model


def waves(places: Tensor, size: int) -> Tensor:
    """Sines and cosines of places from 0 to 1, float32 [num_places, size], of unit mean square."""
    ratio = HIGHEST_WAVE / LOWEST_WAVE
    periods = LOWEST_WAVE * ratio ** torch.linspace(0, 1, size // 2)
    angles = 2 * math.pi * places[:, None] * periods
    return math.sqrt(2) * torch.cat([angles.sin(), angles.cos()], dim=-1)


class PatchHeads(nn.Module):
    """What the tower is also asked in training: which thing is in a patch, and that thing's box.

    These heads see far more per picture than the answers tell, and are thrown away afterwards.
    """

    def __init__(self, width: int, num_kinds: int, num_colours: int) -> None:
        super().__init__()
        self.sizes = (num_kinds + 1, num_colours + 1, 4, 4 * PLACES)
        self.linear = nn.Linear(width, sum(self.sizes))

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """Logits of kinds and colours (the last for none), edges, logits of edges' places."""
        return self.linear(features).split(self.sizes, dim=-1)


class AskedHeads(nn.Module):
    """What the decoder is also asked in training, of every patch, a layer after the other.

    What the prompt asks for; whether the patch is of that; and where in the answer its thing
    stands. To answer, it has to find that out anyway; told in so many places, it learns much
    sooner. These heads are thrown away too.
    """

    def __init__(self, width: int, num_kinds: int, num_colours: int) -> None:
        super().__init__()
        self.is_asked = nn.Linear(width, 2)
        self.rank = nn.Linear(width, MAX_THINGS + 1)
        self.colour = nn.Linear(width, num_colours + 1)
        self.kind = nn.Linear(width, num_kinds + 1)

    def forward(self, layers: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Logits [num_rows, num_patches, ..] of colour, kind, whether asked, and rank."""
        first, second, third = (
            functional.rms_norm(states[:, :NUM_PATCHES].float(), states.shape[-1:])
            for states in layers[1:4]
        )
        return self.colour(first), self.kind(first), self.is_asked(second), self.rank(third)


def hidden_states(
    model: PaliGemmaForConditionalGeneration, features: Tensor, token_ids: Tensor, types: Tensor
) -> tuple[Tensor, Sequence[Tensor]]:
    """Run the decoder over whole rows.

    Args:
        model: The model.
        features: Of the projector, [num_rows, num_patches, hidden_size]: of each row's picture.
        token_ids: [num_rows, row_length], the image's tokens first.
        types: 0 for image and prompt, which see each other, 1 for what follows.

    Returns:
        ([num_rows, row_length, hidden_size], ready for the head, the same of every layer).
    """
    outputs = model.model(
        input_ids=token_ids,
        token_type_ids=types,
        mm_encoder_outputs={"image": BaseModelOutputWithPooling(pooler_output=features)},
        use_cache=False,
        output_hidden_states=True,
    )
    return outputs.last_hidden_state, outputs.hidden_states
