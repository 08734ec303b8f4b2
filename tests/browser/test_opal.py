"""The built-in model that sees, in Chromium: its own grading script, and its boxes on the page."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from damage import DAMAGE_STORED

from models.opal.judge import GOOD_OVERLAP, parse_phrase
from models.opal.samples import sample_pictures
from models.opal.world import Box, Picture, matching
from tests.support.opal import grade
from webgemma.build import build_site
from webgemma.resources import SEEING_MODEL, built_in_model
from webgemma.serve import SiteServer, serving

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.xdist_group("browser"),
]

NUM_PICTURES = 20
LOAD = """async () => {
  const { Engine } = await import("/webgemma/index.js");
  window.engine = await Engine.load("/models/opal/");
}"""
ASK = """async ([file, prompt]) => {
  const url = `data:image/png;base64,${file}`;
  const content = [{ type: "image_url", image_url: { url } }, { type: "text", text: prompt }];
  const request = { messages: [{ role: "user", content }], temperature: 0, max_tokens: 64 };
  return (await engine.chat.completions.create(request)).choices[0].message.content;
}"""
# Phases that a variant has begun to prepare when the model is ready.
PREPARED = """async (variant) => {
  const { loadModel } = await import("/webgemma/load.js");
  const url = new URL("/models/opal/", location.href).href;
  const { runner } = await loadModel(url, { variant });
  const phases = [...runner.prepared.keys()];
  runner.destroy();
  return phases.sort();
}"""
EDGES = """(box) => {
  const [frame, drawn] = [box.parentElement, box].map((node) => node.getBoundingClientRect());
  const x = (edge) => (edge - frame.left) / frame.width;
  const y = (edge) => (edge - frame.top) / frame.height;
  return [y(drawn.top), x(drawn.left), y(drawn.bottom), x(drawn.right)];
}"""

IS_IN_VIEW = """(node) => {
  const [shown, view] = [node, scroller].map((one) => one.getBoundingClientRect());
  return shown.bottom <= view.bottom;
}"""


# Sizes of the stored files: of those that are what their names say, and of the others.
STORED = """async () => {
  const { sha256 } = await import("/webgemma/hash.js");
  const root = await navigator.storage.getDirectory();
  const folder = await root.getDirectoryHandle("webgemma");
  const sizes = { whole: [], damaged: [] };
  for await (const [name, handle] of folder) {
    if (!/^[0-9a-f]{64}$/.test(name)) continue;
    const bytes = new Uint8Array(await (await handle.getFile()).arrayBuffer());
    sizes[(await sha256(bytes)) === name ? "whole" : "damaged"].push(bytes.length);
  }
  return sizes;
}"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SiteServer]:
    site = tmp_path_factory.mktemp("opal") / "site"
    options = {"name": "Opal", "model_id": SEEING_MODEL}
    samples = built_in_model(SEEING_MODEL).parent / "samples"
    build_site(built_in_model(SEEING_MODEL), site, samples=samples, **options)
    with serving(site) as server:
        yield server


def test_damage_of_what_another_worker_hashes_is_found(
    served: SiteServer, open_page: Callable[..., Any], tmp_path: Path
) -> None:
    """Of a model that says that it is large."""
    site = Path(shutil.copytree(served.root, tmp_path / "site"))
    manifest = site / "models/opal/webgemma.json"
    content = json.loads(manifest.read_text())
    content["weights"]["nbytes"] = 2**25
    manifest.write_text(json.dumps(content))
    with serving(site) as server:
        find_damage(open_page(server).engine())


def workers_of_a_load(page: Page) -> int:
    """Load; how many workers that takes."""
    urls: list[str] = []
    page.on("request", lambda request: urls.append(request.url))
    page.evaluate(LOAD)
    return sum(url.endswith("/webgemma/worker.js") for url in urls)


def find_damage(page: Page) -> None:
    """Load, and load again, and damage what is stored, and load."""
    assert workers_of_a_load(page) == 1  # downloads are hashed where they come in
    stored = page.evaluate(STORED)
    assert max(stored["whole"]) >= 2**20
    assert stored["damaged"] == []
    page.evaluate("() => engine.unload()")
    assert workers_of_a_load(page) == 2
    page.evaluate("() => engine.unload()")
    page.evaluate(DAMAGE_STORED, "flip")
    assert page.evaluate(STORED)["whole"] == []
    page.evaluate(LOAD)
    again = page.evaluate(STORED)
    assert max(again["whole"]) == max(stored["whole"])
    assert max(again["damaged"], default=0) < 2**20  # what this load did not need


def test_a_processor_compiles_what_later_tokens_take_later(
    served: SiteServer, open_page: Callable[..., Any]
) -> None:
    """While shards come, it has enough to do; a GPU's driver begins at once."""
    page = open_page(served).engine()
    first = ["encode_image", "prefill", "sample"]
    assert page.evaluate(PREPARED, "software") == first
    assert page.evaluate(PREPARED, "f32") == sorted([*first, "decode"])


def test_graded_in_the_browser(
    served: SiteServer, open_page: Callable[..., Any], tmp_path: Path
) -> None:
    number = str(NUM_PICTURES)
    grade("--pictures", tmp_path, "--number", number)
    watched = open_page(served)
    page = watched.engine()
    page.evaluate(LOAD)
    answers = []
    for row in json.loads((tmp_path / "prompts.json").read_text()):
        data = base64.b64encode((tmp_path / row["picture"]).read_bytes()).decode()
        answers.append({"id": row["id"], "answer": page.evaluate(ASK, [data, row["prompt"]])})
    watched.check()
    page.close()
    (tmp_path / "answers.json").write_text(json.dumps(answers))
    is_good, table = grade("--answers", tmp_path / "answers.json", "--number", number)
    print(table)
    assert is_good, table


def test_boxes_lie_over_the_things_on_the_page(
    served: SiteServer, open_page: Callable[..., Any]
) -> None:
    watched = open_page(served, viewport={"width": 1280, "height": 800})
    page = watched.goto()
    page.locator(".sample").first.wait_for()
    right = total = 0
    for name, picture in sample_pictures():
        found, expected = boxes_on_page(page, name, picture)
        right += sum(any(box.overlap(one) >= GOOD_OVERLAP for one in found) for box in expected)
        total += max(len(found), len(expected))
    print(f"{right} of {total} boxes over their things")
    assert right >= 0.8 * total
    watched.check()


def boxes_on_page(page: Page, name: str, picture: Picture) -> tuple[list[Box], list[Box]]:
    """(boxes drawn, boxes of the truth) of the kind of the first thing of a sample."""
    kind = picture.things[0].kind
    if page.locator("#new-chat").is_visible():
        page.click("#new-chat")
    shown = name.removesuffix(".png").replace("-", " ")
    page.get_by_role("button", name=shown, exact=True).click()
    page.locator("#picture-tray").get_by_text(shown).wait_for()
    page.fill("#input", f"detect {kind}")
    page.press("#input", "Enter")
    page.locator(".facts").wait_for()
    assert page.locator(".found").evaluate(IS_IN_VIEW)
    labels = page.locator(".box span").all_inner_texts()
    assert all(label.endswith(kind) for label in labels), labels
    found = [Box(*box.evaluate(EDGES)) for box in page.locator(".box").all()]
    return found, [thing.box for thing in matching(parse_phrase(kind), picture.things)]
