"""PaliGemma against transformers: features of an image, and logits behind it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.golden import check_argmax
from tests.support.greedy import greedy_tokens
from tests.support.reference_paligemma import (
    IMAGE_TOKEN,
    SO400M,
    VOCAB,
    make_paligemma,
    make_pixels,
    reference_features,
    reference_logits,
    write_mmproj,
    write_text_gguf,
)
from webgemma.build import build_site
from webgemma.runtime.device import choose_adapter, is_software
from webgemma.runtime.session import open_session
from webgemma.runtime.vision import encode_image

pytestmark = [pytest.mark.gpu, pytest.mark.references]

FEATURES_TOLERANCE = 1e-3  # relative
LOGITS_TOLERANCE = 5e-3
NUM_PATCHES = 25


@pytest.fixture(scope="module")
def model():
    return make_paligemma()


@pytest.fixture(scope="module")
def site(model, tmp_path_factory, fixtures):
    folder = tmp_path_factory.mktemp("paligemma")
    model.save_pretrained(folder / "model")
    (folder / "model" / "tokenizer.model").write_bytes((fixtures / "tokenizer.model").read_bytes())
    build_site(folder / "model", folder / "site")
    return folder / "site"


@pytest.fixture(scope="module")
def session(site):
    with open_session(site, variant="f32") as session:
        yield session


def features_of(session, pixels):
    """The tower's features of an image, float32 [NUM_PATCHES, hidden_size]."""
    encode_image(session.runner, session.program.image, pixels)
    return read_features(session)


def read_features(session):
    """What the tower left on the GPU, float32 [num_patches, hidden_size]."""
    data = session.runner.device.queue.read_buffer(session.runner.buffers["image_features"])
    return np.frombuffer(data, np.float32).reshape(session.program.image["num_tokens"], -1)


def tokens_of(text, seed=3):
    """An image, BOS and `text` random tokens."""
    words = np.random.default_rng(seed).integers(5, VOCAB - 1, text)
    return [IMAGE_TOKEN] * NUM_PATCHES + [2, *words.tolist()]


@pytest.mark.parametrize("seed", [0, 1])
def test_features(session, model, seed):
    pixels = make_pixels(35, seed)
    got, expected = features_of(session, pixels), reference_features(model, pixels)
    relative = np.abs(got - expected).max() / np.abs(expected).max()
    print(f"features: relative {relative:.1e}, std {expected.std():.2f}")
    assert relative <= FEATURES_TOLERANCE


@pytest.mark.parametrize("prefix", ["all", "image and prompt", "none"])
def test_logits(session, model, prefix):
    """With all tokens in the prefix, with a causal suffix, and all causal."""
    tokens = tokens_of(40)
    length = {"all": len(tokens), "image and prompt": NUM_PATCHES + 11, "none": 0}[prefix]
    pixels = make_pixels(35)
    got = session.logits(tokens, pixels=pixels, prefix_length=length)
    expected = reference_logits(model, tokens, pixels, length)
    difference = np.abs(got - expected).max()
    skipped = check_argmax(got, expected, LOGITS_TOLERANCE)
    print(f"{prefix}: maxdiff {difference:.1e}, {skipped} skipped, std {expected.std():.2f}")
    assert difference <= LOGITS_TOLERANCE


def test_text_alone(session, model):
    tokens = [2, *tokens_of(40)[-30:]]
    got = session.logits(tokens, prefix_length=20)
    expected = reference_logits(model, tokens, None, 20)
    assert np.abs(got - expected).max() <= LOGITS_TOLERANCE


NEW = {"projector": "mm.input_projection", "is_swapped": False, "is_flat": False}
OLD = {"projector": "mm.0", "is_swapped": True, "is_flat": True}
LAYOUTS = [{**NEW, "dtype": np.float32}, {**OLD, "dtype": np.float16}]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gguf(model, layout, tmp_path, fixtures):
    """A text and its tower as llama.cpp splits them, whatever a converter called the parts."""
    text = write_text_gguf(model, tmp_path / "text.gguf", fixtures / "tokenizer.model")
    mmproj = write_mmproj(model, tmp_path / "mmproj.gguf", **layout)
    build_site(text, tmp_path / "site", mmproj=mmproj)
    pixels = make_pixels(35)
    tokens = tokens_of(20)
    is_exact = layout["dtype"] == np.float32
    with open_session(tmp_path / "site", variant="f32") as session:
        assert session.program.image["token_id"] == IMAGE_TOKEN
        got = features_of(session, pixels)
        logits = session.logits(tokens, pixels=pixels, prefix_length=len(tokens))
    expected = reference_features(model, pixels)
    relative = np.abs(got - expected).max() / np.abs(expected).max()
    difference = np.abs(logits - reference_logits(model, tokens, pixels, len(tokens))).max()
    print(f"features: relative {relative:.1e}; logits: maxdiff {difference:.1e}")
    assert relative <= FEATURES_TOLERANCE * (1 if is_exact else 3)  # of halves
    assert difference <= LOGITS_TOLERANCE * (1 if is_exact else 3)


def test_decode(session, model):
    """What is generated sees the whole prefix, and is seen by nothing before it."""
    import torch

    pixels = make_pixels(35)
    seen = set()
    for seed in range(6):
        tokens = tokens_of(3 * seed + 1, seed)
        got = greedy_tokens(session, tokens, 5, pixels)
        inputs = {"input_ids": torch.tensor([tokens]), "pixel_values": torch.tensor(pixels[None])}
        types = torch.zeros_like(inputs["input_ids"])
        settings = {"do_sample": False, "max_new_tokens": 5, "eos_token_id": None}
        expected = model.generate(**inputs, token_type_ids=types, **settings)[0, len(tokens) :]
        assert got == expected.tolist()
        seen |= set(got)
    assert len(seen) > 3


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_so400m(tmp_path, fixtures):
    """The tower of the published models: 27 layers of 1152, 256 patches, a feed-forward of 4304."""
    model = make_paligemma(**SO400M)
    model.save_pretrained(tmp_path / "model")
    (tmp_path / "model" / "tokenizer.model").write_bytes(
        (fixtures / "tokenizer.model").read_bytes()
    )
    build_site(tmp_path / "model", tmp_path / "site")
    pixels = make_pixels(224)
    tokens = [IMAGE_TOKEN] * 256 + [2, *range(10, 40)]
    variant = "software" if is_software(choose_adapter()) else "f32"  # in f32, both
    with open_session(tmp_path / "site", variant=variant) as session:
        logits = session.logits(tokens, pixels=pixels, prefix_length=270)
        got = read_features(session)
    expected = reference_features(model, pixels)
    relative = np.abs(got - expected).max() / np.abs(expected).max()
    difference = np.abs(logits - reference_logits(model, tokens, pixels, 270)).max()
    print(f"So400m: features: relative {relative:.1e}; logits: maxdiff {difference:.1e}")
    assert relative <= FEATURES_TOLERANCE
    assert difference <= LOGITS_TOLERANCE
