"""A model that sees says the same in Chromium as natively: pixels, logits, answers, refusals."""

from __future__ import annotations

import base64
import io
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from test_model import LOAD, TOLERANCE

from tests.support.golden import check_argmax
from tests.support.seeing_folder import IMAGE_TOKEN, NUM_PATCHES
from webgemma.image import prepare_image, read_image
from webgemma.runtime.session import Session, open_session
from webgemma.serve import serving

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

pytestmark = [
    pytest.mark.browser,
    pytest.mark.gpu,
    pytest.mark.slow,
    pytest.mark.xdist_group("browser"),
]

BOS = 2
HELPERS = """() => {
window.blobOf = (text) => new Blob([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))]);
window.base64Of = (array) => {
  const bytes = new Uint8Array(array.buffer);
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) {
    text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  }
  return btoa(text);
};
}"""
PREPARE = """async ([file, size]) => {
  const { prepareImage } = await import("/webgemma/image/prepare.js");
  window.device ??= await (await navigator.gpu.requestAdapter()).requestDevice();
  const image = { size, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };
  return base64Of(await prepareImage(device, blobOf(file), image));
}"""
LOGITS = """async ([tokens, file, prefixLength]) =>
  base64Of(await engine.logits(tokens, { image: blobOf(file), prefixLength }))"""
ASK = """async ([messages, file, options]) => {
  for (const { content } of messages) {
    if (!Array.isArray(content)) continue;
    for (const part of content) if (part.type === "image") part.image = blobOf(file);
  }
  try {
    const answer = await engine.chat.completions.create({ messages, ...options });
    return [answer.choices[0].message.content, answer.usage];
  } catch (error) {
    return [error.name, error.message];
  }
}"""


def noise(width: int, height: int, channels: int = 3) -> NDArray[np.uint8]:
    return np.random.default_rng(width).integers(0, 256, (height, width, channels), np.uint8)


def waves(width: int, height: int) -> NDArray[np.uint8]:
    """What a JPEG stores well."""
    y, x = np.mgrid[:height, :width]
    return np.stack([128 + 127 * np.sin(x / 9), 255 * y / height, 40 + x % 90], -1).astype(np.uint8)


def encode(pixels: NDArray[np.uint8], kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


PICTURES = {
    "shrunk": encode(noise(640, 480)),
    "tall": encode(noise(31, 500)),
    "grown": encode(noise(10, 7)),
    "one pixel high": encode(noise(301, 1)),
    "one pixel wide": encode(noise(1, 301)),
    "wider than a texture": encode(noise(9001, 3)),
    "more than one strip": encode(waves(1500, 1601)),
    "transparent": encode(noise(60, 40, 4)),
    "palette": encode(np.array(Image.fromarray(waves(60, 40)).quantize(64).convert("RGB"))),
    "grey": encode(noise(60, 40)[..., 0]),
    "jpeg": encode(waves(300, 200), "JPEG", quality=80),
    "jpeg, progressive": encode(waves(300, 200), "JPEG", progressive=True),
    "jpeg, grey": encode(waves(300, 200)[..., 0], "JPEG"),
    **{f"turned {i}": encode(waves(80, 50), "JPEG", exif=turned(i)) for i in (2, 3, 6, 8)},
    "png, turned": encode(waves(80, 50), exif=turned(6)),
    "webp": encode(noise(80, 50, 4), "WEBP", lossless=True, exact=True),
}


@dataclass
class Seeing:
    """A model that sees, loaded natively and in a page."""

    native: Session
    page: Page


@pytest.fixture(scope="module")
def seeing(seeing_site: Path, open_page: Callable[..., Any]) -> Iterator[Seeing]:
    with serving(seeing_site) as server, open_session(seeing_site, variant="f32") as native:
        watched = open_page(server)
        page = watched.engine()
        page.evaluate(HELPERS)
        page.evaluate(LOAD, ["seeing", "f32"])
        yield Seeing(native, page)
        watched.check()


def as_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize("name", PICTURES)
def test_pixels_are_pillows(seeing: Seeing, tmp_path: Path, name: str) -> None:
    """In every pixel; the browser's decoders are those that Pillow has."""
    size = 56
    path = tmp_path / "picture"
    path.write_bytes(PICTURES[name])
    image = {"size": size, "mean": [0.5] * 3, "std": [0.5] * 3}
    expected = prepare_image(read_image(path), image)
    data = seeing.page.evaluate(PREPARE, [as_base64(PICTURES[name]), size])
    got = np.frombuffer(base64.b64decode(data), np.float32).reshape(3, size, size)
    levels = np.abs(got - expected).max() * 127.5
    print(f"{name}: {levels:.3f} levels")
    assert levels < 1.01


@pytest.mark.parametrize("rest", [0, 20])
def test_same_logits(seeing: Seeing, tmp_path: Path, rest: int) -> None:
    """Of a prompt that sees itself, and of what follows it."""
    data = PICTURES["shrunk"]
    (tmp_path / "picture").write_bytes(data)
    pixels = prepare_image(read_image(tmp_path / "picture"), seeing.native.program.image or {})
    prefix = [IMAGE_TOKEN] * NUM_PATCHES + [BOS, 5, 6, 7]
    tokens = [*prefix, *np.random.default_rng(1).integers(5, 700, rest).tolist()]
    native = seeing.native.logits(tokens, pixels=pixels, prefix_length=len(prefix))
    text = seeing.page.evaluate(LOGITS, [tokens, as_base64(data), len(prefix)])
    got = np.frombuffer(base64.b64decode(text), np.float32).reshape(native.shape)
    difference = np.abs(got - native).max()
    print(f"{rest} after the prefix: maxdiff {difference:.1e}, std {native.std():.2f}")
    assert native.std() > 0.5
    assert difference < TOLERANCE
    check_argmax(got, native, TOLERANCE)


def question(prompt: str, *parts: Any) -> list[dict[str, Any]]:
    text = {"type": "text", "text": prompt}
    return [{"role": "user", "content": [*(parts or [{"type": "image"}]), text]}]


def ask(page: Page, messages: list[dict[str, Any]], picture: bytes, **options: Any) -> Any:
    request = {"max_tokens": 8, "temperature": 0, **options}
    return page.evaluate(ASK, [messages, as_base64(picture), request])


def native_answer(session: Session, prompt: str, picture: Path | None) -> str:
    generation = session.generate(prompt, image=picture, max_tokens=8, temperature=0)
    return "".join(generation)


def test_same_answers(seeing: Seeing, tmp_path: Path) -> None:
    """To a file, a data: URL, and a text alone, in any order."""
    answers = []
    for name in ("shrunk", "jpeg"):
        path = tmp_path / name
        path.write_bytes(PICTURES[name])
        native = native_answer(seeing.native, "detect cat", path)
        url = f"data:image/*;base64,{as_base64(PICTURES[name])}"
        by_url = {"type": "image_url", "image_url": {"url": url}}
        for messages in (question("detect cat"), question("detect cat", by_url)):
            got, usage = ask(seeing.page, messages, PICTURES[name])
            assert got == native
            assert usage["prompt_tokens"] > NUM_PATCHES
        answers.append(native)
    alone, usage = ask(seeing.page, [{"role": "user", "content": "detect cat"}], b"")
    assert alone == native_answer(seeing.native, "detect cat", None)
    assert usage["prompt_tokens"] < NUM_PATCHES
    assert len({*answers, alone}) == 3


def without_policy(route: Route) -> None:
    """Serve a worker that may fetch blob: URLs, as one of a host that reads no `_headers`."""
    response = route.fetch()
    headers = {k: v for k, v in response.headers.items() if k != "content-security-policy"}
    route.fulfill(response=response, headers=headers)


def test_a_bitmap_and_a_blob_url_are_pictures_too(
    seeing_site: Path, open_page: Callable[..., Any]
) -> None:
    script = """async (file) => {
      const blob = blobOf(file);
      const text = { type: "text", text: "caption en" };
      const url = URL.createObjectURL(blob);
      const pictures = [
        { type: "image", image: blob },
        { type: "image", image: await createImageBitmap(blob) },
        { type: "image_url", image_url: { url } },
      ];
      const answers = [];
      for (const picture of pictures) {
        const messages = [{ role: "user", content: [picture, text] }];
        const options = { max_tokens: 4, temperature: 0 };
        const answer = await engine.chat.completions.create({ messages, ...options });
        answers.push(answer.choices[0].message.content);
      }
      return answers;
    }"""
    with serving(seeing_site) as server:
        watched = open_page(server)
        watched.page.route("**/webgemma/worker.js", without_policy)
        page = watched.engine()
        page.evaluate(HELPERS)
        page.evaluate(LOAD, ["seeing", "f32"])
        answers = page.evaluate(script, as_base64(PICTURES["shrunk"]))
        assert answers == [answers[0]] * 3
        watched.check()


def test_the_same_picture_is_encoded_once(seeing: Seeing) -> None:
    script = """async ([first, second]) => {
      const { loadModel } = await import("/webgemma/load.js");
      const { readPrompt } = await import("/webgemma/prompt.js");
      const model = await loadModel(new URL("/models/seeing/", location.href).href);
      let encoded = 0;
      const run = model.runner.run.bind(model.runner);
      model.runner.run = (phase, symbols) => {
        encoded += phase === "encode_image";
        run(phase, symbols);
      };
      const counts = [];
      for (const [file, content] of [[first, "a"], [first, "b"], [second, "b"], [second, "a"]]) {
        const asked = { messages: [{ role: "user", content }], images: [blobOf(file)] };
        const { tokens, pixels } = await readPrompt(model, asked);
        for await (const _ of model.session.generate(tokens, { pixels, maxTokens: 1 }));
        counts.push(encoded);
      }
      model.runner.destroy();
      return counts;
    }"""
    files = [as_base64(PICTURES[name]) for name in ("shrunk", "jpeg")]
    assert seeing.page.evaluate(script, files) == [1, 1, 2, 2]


def test_a_lost_device_is_told_apart_from_a_bad_picture(seeing: Seeing) -> None:
    script = """async (file) => {
      const { loadModel } = await import("/webgemma/load.js");
      const { pixelsOf } = await import("/webgemma/vision.js");
      const { runner } = await loadModel(new URL("/models/seeing/", location.href).href);
      runner.device.destroy();
      await runner.device.lost;
      return pixelsOf(runner, blobOf(file)).catch((error) => error.name);
    }"""
    name = seeing.page.evaluate(script, as_base64(PICTURES["grey"]))
    assert name == "DeviceLostError"


def huge() -> bytes:
    """The beginning of a PNG file of 12000 x 9000 pixels."""
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 12000, 9000) + bytes(40)


BAD_URL = {"type": "image_url", "image_url": {"url": "data:image/png;base64,%%%"}}
GONE_URL = {"type": "image_url", "image_url": {"url": "blob:http://127.0.0.1/gone"}}
UNREADABLE = "image: not one that can be read: "
GIVE = ". Give a PNG or JPEG file."


@pytest.mark.parametrize(
    ("messages", "picture", "message"),
    [
        (
            [*question("a"), {"role": "assistant", "content": "b"}, *question("c")],
            PICTURES["grey"],
            "messages: got user, assistant, user, expected one with role user: this model has no "
            "chat template, and answers one prompt.",
        ),
        (
            question("a", {"type": "image"}, {"type": "image"}),
            PICTURES["grey"],
            "image: got 2, expected at most one. Ask about each alone.",
        ),
        (question("a"), b"hello", f"{UNREADABLE}The source image could not be decoded{GIVE}"),
        (
            question("a"),
            PICTURES["jpeg"][:2000],
            f"{UNREADABLE}The source image could not be decoded{GIVE}",
        ),
        (question("a", BAD_URL), b"", f"{UNREADABLE}its data: URL is not in base64{GIVE}"),
        (
            question("a", GONE_URL),
            b"",
            f"{UNREADABLE}its blob: URL could not be fetched (revoked, or the policy forbids it)"
            f"{GIVE}",
        ),
        (
            question("a"),
            huge(),
            "image: got 12000 x 9000 pixels, expected at most 64 million, and no side over 65535. "
            "Give a smaller picture.",
        ),
    ],
    ids=["chat", "two", "text", "truncated", "base64", "revoked", "huge"],
)
def test_refused(seeing: Seeing, messages: Any, picture: bytes, message: str) -> None:
    assert ask(seeing.page, messages, picture) == ["ConfigError", message]


def test_a_question_that_is_too_long_is_refused(seeing: Seeing) -> None:
    name, message = ask(seeing.page, question("cat " * 400), PICTURES["grey"])
    length = len(seeing.native.encode_prompt("cat " * 400, has_image=True))
    assert (name, message) == (
        "ConfigError",
        f"prompt: got {length} tokens with the image's, expected at most {NUM_PATCHES + 256}, as "
        "they are run at once. Shorten the text.",
    )


def test_a_model_of_text_refuses_pictures(tiny_site: Path, open_page: Callable[..., Any]) -> None:
    with serving(tiny_site) as server:
        watched = open_page(server)
        page = watched.engine()
        page.evaluate(HELPERS)
        page.evaluate(LOAD, ["tiny", "auto"])
        assert page.evaluate("engine.info.has_vision") is False
        name, message = ask(page, question("a"), PICTURES["grey"])
        assert (name, message) == (
            "ConfigError",
            "image: a model of architecture 'tiny' does not see images. Ask it without one, or "
            "build one that sees (paligemma).",
        )
        watched.check()
