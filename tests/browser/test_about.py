"""The page shows what the model is, and what `webgemma eval --record` measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from webgemma.build import build_site
from webgemma.evaluate.record import write_key
from webgemma.inspect import estimate
from webgemma.layout import read_manifest
from webgemma.resources import built_in_model
from webgemma.serve import SiteServer, serving

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]

QUALITY = {
    "tool": "webgemma 0.1.0",
    "text": {"name": "held-out.txt", "sha256": "0" * 64},
    "context": 512,
    "chunks": 40,
    "scored_tokens": 10200,
    "variant": "f32",
    "perplexity": {"value": 40.41823, "error": 2.4721},
    "reference": {
        "name": "Pebble",
        "storage": ["f16"],
        "perplexity": {"value": 40.1, "error": 2.4},
    },
    "kl_divergence": {"value": 0.033667, "error": 0.002958, "far": 1.4646, "maximum": 4.94171},
    "same_top": {"value": 0.95694, "error": 0.004},
}

VARIANT = """async () => {
  const adapter = await navigator.gpu.requestAdapter();
  return adapter.features.has("shader-f16") ? "f16" : "f32";
}"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SiteServer]:
    """A site with a record, served."""
    site: Path = tmp_path_factory.mktemp("about") / "site"
    build_site(built_in_model(), site, name="Pebble", model_id="pebble")
    model = site / "models" / "pebble"
    write_key(model, "quality", QUALITY)
    # So large that the page asks before it loads: nothing here needs the model to run.
    write_key(model, "weights", {**read_manifest(model)["weights"], "nbytes": 60_000_000})
    with serving(site) as server:
        yield server


@pytest.fixture(scope="module")
def page(served: SiteServer, open_page: Callable[..., Any]) -> Iterator[Page]:
    """The loaded page with the disclosure open."""
    watched = open_page(served, viewport={"width": 1280, "height": 900})
    page: Page = watched.goto()
    page.get_by_text("About this model").click()
    yield page
    watched.check()


def facts(page: Page) -> dict[str, str]:
    """Term -> text of the disclosure."""
    terms = page.locator(".about dt").all_inner_texts()
    return dict(zip(terms, page.locator(".about dd").all_inner_texts(), strict=True))


def test_the_disclosure_says_what_the_model_is(page: Page) -> None:
    shown = facts(page)
    assert page.get_by_role("button", name="Load 60 MB").is_visible()
    assert shown["Parameters"] == "3.4 million"
    assert shown["Architecture"] == "gemma2"
    assert shown["Weights"].startswith("f16 ")
    assert shown["Context"] == "up to 1,024 tokens"


def test_what_it_takes_is_said_before_the_download(served: SiteServer, page: Page) -> None:
    rows = estimate(served.root, context=1024).data["memory"]
    variant = page.evaluate(VARIANT)
    peak = next(row["peak_nbytes"] for row in rows if row["variant"] == variant)
    line = page.locator(".needs")
    line.filter(has_text="memory").wait_for()
    assert line.inner_text() == (
        f"60 MB to download, {peak / 1e6:.0f} MB of memory for a context of 1,024 tokens"
    )
    fetched = page.evaluate("performance.getEntriesByType('resource').map(({ name }) => name)")
    assert [name for name in fetched if name.endswith(".bin")] == []


def test_the_record_is_shown_with_its_errors(page: Page) -> None:
    lines = facts(page)["Quality"].splitlines()
    assert lines == [
        "Perplexity 40.4 ± 2.5",
        "Likeliest token as in Pebble in f16: 95.7 % of the time",
        "KL divergence from it 0.0337 ± 0.0030, at most 4.94",
        "Measured on 10,200 tokens of held-out.txt, context 512, by webgemma 0.1.0.",
    ]


def test_the_licence_is_a_link_that_opens(page: Page, served: SiteServer) -> None:
    href = page.locator(".about a", has_text="LICENSE").get_attribute("href") or ""
    response = page.request.get(served.url + href.removeprefix("./"))
    assert response.ok
    assert response.headers["content-type"].startswith("text/plain")
    assert "Apache" in response.text()


@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") == width
    box = page.locator(".about").bounding_box()
    assert box
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
