"""A session with a model that sees: the prompt's form, images and boxes, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.support.messages import message_of
from tests.support.seeing_folder import IMAGE_SIZE, IMAGE_TOKEN, NUM_PATCHES, write_seeing
from webgemma.build import build_site
from webgemma.cli import app
from webgemma.errors import ConfigError
from webgemma.runtime.session import open_session

pytestmark = pytest.mark.gpu

BOS = 2


@pytest.fixture(scope="module")
def site(tmp_path_factory, fixtures):
    folder = tmp_path_factory.mktemp("seeing")
    source = write_seeing(folder / "model", fixtures / "tokenizer.model")
    build_site(source, folder / "site", name="Seeing")
    return folder / "site"


@pytest.fixture(scope="module")
def session(site):
    with open_session(site, variant="f32") as session:
        yield session


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp("picture") / "cat.png"
    Image.fromarray(pixels(0)).save(path)
    return path


def pixels(seed):
    """Noise whose red side is the left of an even picture and the right of an odd one."""
    noise = np.random.default_rng(seed).integers(0, 256, (40, 60, 3), np.uint8)
    noise[:, 30 * (seed % 2) : 30 + 30 * (seed % 2)] = [255, 0, 0]
    return noise


def answer(session, image, prompt="detect cat"):
    generation = session.generate(prompt, image=image, max_tokens=8, temperature=1.0, seed=7)
    list(generation)
    return generation.tokens


def test_the_manifest_says_that_the_model_sees(session, sites):
    assert session.model.manifest["image"] == {"size": IMAGE_SIZE}
    with open_session(sites["gemma2-F16"], variant="f32") as blind:
        assert "image" not in blind.model.manifest


def test_form_of_the_prompt(session):
    text = session.tokenizer.encode("detect cat\n")
    assert session.encode_prompt("detect cat") == [BOS, *text]
    with_image = session.encode_prompt("detect cat", has_image=True)
    assert with_image == [IMAGE_TOKEN] * NUM_PATCHES + [BOS, *text]


def test_every_image_is_seen(session, picture, site):
    first, second = answer(session, pixels(0)), answer(session, pixels(1))
    assert first != second
    assert answer(session, str(picture)) == first
    assert answer(session, None) != first
    list(session.iter_logits([BOS, 5, 6]))  # of text alone: causal, and leaves no prefix behind
    assert answer(session, pixels(1)) == second
    with open_session(site, variant="f32") as fresh:
        assert answer(fresh, pixels(1)) == second


def test_only_the_same_prompt_about_the_same_image_is_reused(session):
    def ask(image, prompt="detect cat"):
        generation = session.generate(prompt, image=image, max_tokens=6, temperature=0)
        list(generation)
        return generation

    first = ask(pixels(0))
    again = ask(pixels(0))
    assert again.tokens == first.tokens
    assert again.cached_tokens == again.prompt_tokens - 1
    assert ask(pixels(1)).cached_tokens == 0
    assert ask(pixels(1), "detect dog").cached_tokens == 0
    assert ask(None, "detect dog").cached_tokens == 0
    assert ask(pixels(0)).tokens == first.tokens


def test_logits_without_a_prefix_are_causal(session):
    """So `webgemma eval` measures what it says."""
    short = session.logits([BOS, 5, 6])
    np.testing.assert_allclose(session.logits([BOS, 5, 6, 7, 8])[:3], short, atol=1e-5)
    together = session.logits([BOS, 5, 6, 7, 8], prefix_length=5)[:3]
    assert np.abs(together - short).max() > 1e-2


@pytest.mark.parametrize("variant", ["f16", "subgroups", "software"])
def test_variants(session, site, variant):
    prepared = np.random.default_rng(0).uniform(-1, 1, (3, IMAGE_SIZE, IMAGE_SIZE))
    call = {"pixels": prepared.astype(np.float32), "prefix_length": NUM_PATCHES + 3}
    tokens = [IMAGE_TOKEN] * NUM_PATCHES + [BOS, 5, 6, 7, 8]
    expected = session.logits(tokens, **call)
    with open_session(site, variant=variant) as other:
        got = other.logits(tokens, **call)
    error = ((got - expected) ** 2).mean() / (expected**2).mean()
    print(f"{variant}: normalized mean square error {error:.1e}")
    assert error < (1e-4 if variant == "f16" else 1e-8)


def test_refusals(session, sites):
    with open_session(sites["gemma2-F16"], variant="f32") as blind:
        assert message_of(ConfigError, lambda: blind.generate("a", image=pixels(0))) == (
            "image: a model of architecture 'gemma2' does not see images. Ask it without one, or "
            "build one that sees (paligemma)."
        )
    most = NUM_PATCHES + 256
    long = "cat " * 400
    length = len(session.encode_prompt(long, has_image=True))
    assert message_of(ConfigError, lambda: session.generate(long, image=pixels(0))) == (
        f"prompt: got {length} tokens with the image's, expected at most {most}, as they are run "
        "at once. Shorten the text."
    )
    chat = [{"role": "user", "content": "detect cat"}]
    assert message_of(ConfigError, lambda: session.generate(chat, image=pixels(0))) == (
        "messages: the model has no chat template. Give the prompt as one text."
    )


def test_command(site, picture, tmp_path):
    out = tmp_path / "boxes.png"
    arguments = ["run", site, "detect cat", "--image", picture, "--max-tokens", 4, "--json"]
    done = CliRunner().invoke(app, [*map(str, arguments), "--save", str(out)])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["prompt_tokens"] > NUM_PATCHES
    assert found["boxes"] == []
    assert done.stderr == f"{out}: boxes drawn: 0\n"
    np.testing.assert_array_equal(np.array(Image.open(out)), pixels(0))


def test_saving_needs_an_image(site):
    done = CliRunner().invoke(app, ["run", str(site), "detect cat", "--save", "x.png"])
    assert done.exit_code == 2
    assert "--save needs a PROMPT and --image." in done.stderr
