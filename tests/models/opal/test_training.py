"""Opal's training and its checkpoint folder, compared with transformers."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytestmark = pytest.mark.references

TEXT = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "head_dim": 8}
VISION = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
          "num_attention_heads": 4}  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread():
    """As the training script: threads that wait for each other cost more than they bring here."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def small_model():
    from models.opal.model import make_config, make_model

    return make_model(make_config(text=TEXT, vision=VISION), seed=5).eval()


def test_rows_of_a_batch():
    from models.opal.batches import IGNORE, QUESTIONS, draw_batch, load_tokenizer
    from models.opal.model import NUM_PATCHES
    from models.opal.tokenizer_json import BOS, EOS, IMAGE
    from models.opal.world import caption, picture_at
    from models.opal.world.palette import NAMES
    from models.opal.world.shapes import KINDS

    tokenizer = load_tokenizer()
    batch = draw_batch(tokenizer, seed=1, step=3, num_pictures=4)
    assert batch.pixels.shape == (4, 3, 96, 96)
    assert batch.token_ids.shape[0] == 4 * QUESTIONS
    for row in range(4 * QUESTIONS):
        ids, types = batch.token_ids[row], batch.types[row]
        targets = batch.targets[row]
        assert (ids[:NUM_PATCHES] == IMAGE).all()
        assert ids[NUM_PATCHES] == BOS
        answer = targets[targets != IGNORE].tolist()
        assert answer[-1] == EOS
        first = int((targets != IGNORE).nonzero()[0])
        # The newline that ends the prompt predicts the answer; each token then predicts the next.
        assert tokenizer.id_to_token(int(ids[first])) == "\n"
        assert (types[: first + 1] == 0).all()
        assert (types[first + 1 :] == 1).all()
        assert ids[first + 1 : first + len(answer)].tolist() == answer[:-1]
        if row % QUESTIONS == 0:
            picture = picture_at(1, 3 * 4 + row // QUESTIONS, held_out=False)
            assert tokenizer.decode(answer[:-1]) == caption(picture).answer
            ranks = set(range(1, len(picture.things) + 1))
            assert set(batch.ranks[row].tolist()) == {0, *ranks}
            assert batch.phrases[row].tolist() == [len(NAMES), len(KINDS)]


def test_patches_know_their_things():
    from models.opal.batches import draw_batch, load_tokenizer
    from models.opal.model import SIDE
    from models.opal.world import picture_at
    from models.opal.world.palette import NAMES
    from models.opal.world.shapes import KINDS

    batch = draw_batch(load_tokenizer(), seed=2, step=0, num_pictures=12)
    for index in range(12):
        things = picture_at(2, index, held_out=False).things
        seen = {
            (NAMES[c], KINDS[k])
            for c, k in zip(batch.colours[index].tolist(), batch.kinds[index].tolist(), strict=True)
            if k < len(KINDS)
        }
        assert seen == {(t.colour, t.kind) for t in things}
        for thing in things:
            if thing.kind == "ring":
                continue  # its middle may be an empty patch
            patch = int(thing.y * SIDE) * SIDE + int(thing.x * SIDE)
            box = (thing.box.y_min, thing.box.x_min, thing.box.y_max, thing.box.x_max)
            np.testing.assert_allclose(batch.boxes[index, patch], box, atol=1e-6)


def test_the_folder_gives_the_same_logits(small_model, tmp_path):
    """What training computes equals transformers' own pass over the exported files."""
    import torch
    from transformers import PaliGemmaForConditionalGeneration

    from models.opal.batches import QUESTIONS, draw_batch, load_tokenizer
    from models.opal.export import write_checkpoint
    from models.opal.model import hidden_states

    write_checkpoint(tmp_path / "opal", small_model)
    loaded = PaliGemmaForConditionalGeneration.from_pretrained(
        tmp_path / "opal", dtype=torch.float32, attn_implementation="eager"
    ).eval()
    batch = draw_batch(load_tokenizer(), seed=1, step=0, num_pictures=3)
    with torch.no_grad():
        for parameter in small_model.parameters():
            parameter.copy_(parameter.half())
        features = small_model.get_image_features(batch.pixels).pooler_output
        rows = features.repeat_interleave(QUESTIONS, dim=0)
        states, _ = hidden_states(small_model, rows, batch.token_ids, batch.types)
        ours = small_model.lm_head(states)
        theirs = loaded(
            input_ids=batch.token_ids,
            pixel_values=batch.pixels.repeat_interleave(QUESTIONS, dim=0),
            token_type_ids=batch.types,
        ).logits
    print(f"maxdiff {(ours - theirs).abs().max():.2e}, of logits up to {ours.abs().max():.2f}")
    assert ours.std() > 0.1
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_the_processor_agrees(small_model, tmp_path):
    """Transformers' PaliGemmaProcessor reads the folder: the same tokens, the same pixels."""
    from PIL import Image
    from transformers import PaliGemmaProcessor

    from models.opal.answers import as_seen
    from models.opal.batches import encode_prompt, load_tokenizer, normalise
    from models.opal.cases import DRAWN_SIZE
    from models.opal.export import write_checkpoint
    from models.opal.world import picture_at, render

    write_checkpoint(tmp_path / "opal", small_model)
    processor = PaliGemmaProcessor.from_pretrained(tmp_path / "opal")
    picture = picture_at(1, 0, held_out=True)
    prompt = "how many red circles?"
    inputs = processor(
        images=Image.fromarray(render(picture, DRAWN_SIZE)), text=f"<image>{prompt}",
        return_tensors="pt",
    )  # fmt: skip
    assert inputs["input_ids"][0].tolist() == encode_prompt(load_tokenizer(), prompt)
    assert (inputs["token_type_ids"] == 0).all()
    np.testing.assert_allclose(inputs["pixel_values"], normalise([as_seen(picture)]), atol=1e-6)


def test_the_folder_is_whole(small_model, tmp_path):
    from models.opal.export import write_checkpoint

    for _ in range(2):  # the second time over the first
        write_checkpoint(tmp_path / "opal", small_model)
    assert sorted(path.name for path in (tmp_path / "opal").iterdir()) == [
        "config.json", "generation_config.json", "model.safetensors",
        "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["opal"]
    config = json.loads((tmp_path / "opal" / "config.json").read_text())
    assert config["dtype"] == "float16"


def test_opal_is_small():
    from models.opal.model import make_config, make_model

    model = make_model(make_config(), seed=1)
    assert 2 * sum(p.numel() for p in model.parameters()) < 5_500_000


def test_training_carries_on_where_it_stopped(monkeypatch, tmp_path):
    """Three steps at once, and one and two with a saved state between: the same weights."""
    import torch

    from models.opal import train

    monkeypatch.setattr(train, "LOOKING_STEPS", 1)
    monkeypatch.setattr(train, "LOOKING_PICTURES", 2)
    monkeypatch.setattr(train, "PICTURES_PER_STEP", 2)
    config = train.make_config(text=TEXT, vision=VISION)
    monkeypatch.setattr(train, "make_config", lambda: config)
    tokenizer = train.load_tokenizer()

    def take(trainer, steps):
        return [train.train_step(trainer, tokenizer, seed=1, num_steps=100) for _ in range(steps)]

    at_once = train.Trainer(seed=1)
    losses = take(at_once, 3)
    stopped = train.Trainer(seed=1)
    first = take(stopped, 1)
    stopped.save(tmp_path / "state.pt")
    resumed = train.Trainer(seed=2)
    resumed.load(tmp_path / "state.pt")
    assert resumed.step == 1
    assert first + take(resumed, 2) == losses
    assert losses[0][0] == 0 < losses[1][0]  # the first step only looks
    for one, other in zip(at_once.average.parameters(), resumed.average.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_a_small_model_learns(monkeypatch):
    """Twelve steps on one batch of pictures: every loss falls."""
    import torch

    from models.opal import train

    for name in ("LOOKING_STEPS", "ASKED_FROM", "RESTART"):
        monkeypatch.setattr(train, name, 0)
    monkeypatch.setattr(train, "RESTART_RATE", 1.0)
    config = train.make_config(text=TEXT, vision=VISION)
    monkeypatch.setattr(train, "make_config", lambda: config)
    tokenizer = train.load_tokenizer()
    batch = train.draw_batch(tokenizer, seed=1, step=0, num_pictures=2)
    monkeypatch.setattr(train, "draw_batch", lambda *_, **__: batch)
    trainer = train.Trainer(seed=1)
    losses = torch.tensor(
        [train.train_step(trainer, tokenizer, seed=1, num_steps=1000) for _ in range(12)]
    )
    assert (losses[-1] < 0.8 * losses[0]).all(), losses
