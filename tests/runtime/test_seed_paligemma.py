"""PaliGemma 3B at its true size, F16 with seeded weights: built in little memory, and answering.

WEBGEMMA_LONG=1 runs it: 12 GB on the disk, 8 GB of memory, many minutes on a software adapter.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.measured import Measured, run_measured
from tests.support.seeded_gguf import so400m_mmproj, write_seeded_gguf
from webgemma.layout import PROGRAM, find_model
from webgemma.runtime.device import choose_adapter, is_software
from webgemma.runtime.session import Session, open_session
from webgemma.runtime.vision import pixels_of

pytestmark = [pytest.mark.gpu, pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(7200)]

LISTING = "paligemma-3b-mix-224.gguf-listing.json"
MAX_ANONYMOUS_NBYTES = 1_000_000_000
NUM_PARAMETERS = 2_923_466_480  # 2,508,662,784 of the text's file, 414,803,696 of the tower's
MAX_PIECE_NBYTES = 96 << 20  # of a matrix: docs/storage.md
EMBEDDING_NBYTES = 2 * 257_216 * 2048
PROMPT = "detect circle"
COUNT = 8
TOLERANCE = 1e-3


@pytest.fixture(scope="module")
def built(fixtures: Path) -> Iterator[tuple[Path, Measured]]:
    """The site, and what `webgemma build` took; pytest would keep a tmp_path of this size."""
    with TemporaryDirectory(prefix="webgemma-paligemma-") as name:
        folder = Path(name)
        listing = json.loads((fixtures / LISTING).read_text())
        text = write_seeded_gguf(listing, folder / "text.gguf")
        mmproj = write_seeded_gguf(so400m_mmproj(), folder / "mmproj.gguf")
        site = folder / "site"
        command = [sys.executable, "-m", "webgemma", "build", text, "--mmproj", mmproj, "-o", site]
        measured = run_measured([*command, "--json", "--quiet"])
        text.unlink()
        mmproj.unlink()
        yield site, measured


def test_it_builds_in_little_memory(built: tuple[Path, Measured]) -> None:
    """Within bounds, past the checker, the embedding of 1.05 GB in pieces."""
    site, measured = built
    report = json.loads(measured.stdout)
    program = json.loads((find_model(site) / PROGRAM).read_text())
    print(f"build {measured.duration_s:.1f} s, {measured.anonymous_nbytes:,} bytes anonymous")
    assert measured.anonymous_nbytes <= MAX_ANONYMOUS_NBYTES
    assert report["num_parameters"] == NUM_PARAMETERS
    assert list(report["storage"]) == ["f16"]
    assert report["program"]["largest_binding_nbytes"] <= 128 << 20
    pieces = [b for name, b in program["buffers"].items() if name.startswith("model.embed_tokens@")]
    assert sum(piece["nbytes"] for piece in pieces) == EMBEDDING_NBYTES
    assert max(piece["nbytes"] for piece in pieces) <= MAX_PIECE_NBYTES


def test_it_answers_with_an_image(built: tuple[Path, Measured]) -> None:
    """Eight tokens, each of them what the logits of the whole sequence say."""
    image = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    with open_session(built[0]) as session:
        print(f"variant {session.runner.variant.name}, opened in {session.load_s:.1f} s")
        assert (session.runner.variant.name == "software") == is_software(choose_adapter())
        prompt = session.encode_prompt(PROMPT, has_image=True)
        tokens = answer(session, image, len(prompt))
        logits = session.logits(
            [*prompt, *tokens],
            pixels=pixels_of(session.program, image),
            prefix_length=len(prompt),
        )[len(prompt) - 1 : -1]
    assert len(tokens) == COUNT
    assert np.isfinite(logits).all()
    best = np.sort(logits, axis=-1)
    clear = best[:, -1] - best[:, -2] > 2 * TOLERANCE
    assert clear.sum() > COUNT // 2
    np.testing.assert_array_equal(logits.argmax(-1)[clear], np.array(tokens)[clear])


def answer(session: Session, image: NDArray[np.uint8], prompt_length: int) -> list[int]:
    """Answer, and print the times of image, prompt and tokens."""
    clock = Clock()
    session.begin(pixels_of(session.program, image), prompt_length)
    session.runner.read_generated()  # waits for the GPU
    clock.print("image")
    generation = session.generate(PROMPT, image=image, max_tokens=COUNT, temperature=0.0)
    done = 0
    for _ in generation:
        clock.print(f"{len(generation.tokens) - done} more" if done else "first token")
        done = len(generation.tokens)
    assert generation.prompt_tokens == prompt_length
    return generation.tokens


class Clock:
    """Prints what passed since it printed last, on the wall and of all processors together."""

    def __init__(self) -> None:
        self.last = self.now()

    def now(self) -> tuple[float, float]:
        """Seconds on the wall, and of this process on all processors: lavapipe's are its own."""
        return time.perf_counter(), time.process_time()

    def print(self, what: str) -> None:
        """Print both."""
        wall, processors = (b - a for a, b in zip(self.last, self.now(), strict=True))
        print(f"{what} {wall:.1f} s, {processors:.1f} s of processors", flush=True)
        self.last = self.now()
