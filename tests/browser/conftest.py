"""Chromium, sites to open in it, and pages that watch for trouble.

Chromium's WebGPU runs on SwiftShader here: f32 and subgroups of 4, no shader-f16.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tests.support.modules import lay_modules
from tests.support.seeing_folder import write_seeing
from webgemma.build import build_site
from webgemma.resources import built_in_model
from webgemma.serve import SiteServer, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright

sys.path.insert(0, str(Path(__file__).parent))  # for `import tiny`
FIXTURES = Path(__file__).parents[1] / "fixtures"
SAMPLES = Path(__file__).parents[2] / "models/opal/samples"
ARGUMENTS = [
    "--enable-unsafe-webgpu",  # gives the software adapter
    "--no-sandbox",  # tests may run as root
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
]
SECONDS_TO_LOAD = 180  # SwiftShader compiles slowly, more so beside other tests
BLOCKED = "Service Worker registration blocked by Playwright"
NOTE_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective}: ${event.blockedURI || event.sample}`));
"""


@dataclass
class Watched:
    """A page, and what it should not have done."""

    page: Page
    url: str
    problems: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def goto(self, path: str = "") -> Page:
        """Open a path of the site."""
        self.page.goto(self.url + path)
        return self.page

    def engine(self, path: str = "webgemma/types.d.ts") -> Page:
        """Open a document of the site without a page of its own, for tests of the runtime."""
        return self.goto(path)

    def check(self) -> None:
        """Fail on console errors, exceptions, policy violations and third-party requests."""
        assert self.page.evaluate("window.violations") == []
        assert self.problems == []
        assert self.foreign == []


@pytest.fixture(scope="session")
def browser(playwright: Playwright, chromium_path: str) -> Iterator[Browser]:
    """The system's Chromium, headless."""
    script = Path(__file__).parent / "chromium.sh"
    chromium = playwright.chromium.launch(
        executable_path=script, args=ARGUMENTS, env={**os.environ, "CHROMIUM": chromium_path}
    )
    yield chromium
    chromium.close()


OpenPage = Callable[..., Watched]


@pytest.fixture(scope="module")
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Open a page of a served site in a context of its own, and watch it.

    Unless `service_workers="allow"`, the page has none: requests go where tests see them.
    """
    contexts = []

    def open_(server: SiteServer, **options: Any) -> Watched:
        lay_modules(server.root)
        context = browser.new_context(**{"service_workers": "block", **options})
        contexts.append(context)
        context.add_init_script(NOTE_VIOLATIONS)
        page = context.new_page()
        page.set_default_timeout(1000 * SECONDS_TO_LOAD)
        watched = Watched(page, server.url)
        host = urlsplit(server.url).netloc

        def on_console(message: ConsoleMessage) -> None:
            expected = "favicon" in message.location["url"] or BLOCKED in message.text
            if message.type in ("error", "warning") and not expected:
                watched.problems.append(message.text)

        page.on("console", on_console)
        page.on("pageerror", lambda error: watched.problems.append(str(error)))
        context.on(
            "request",
            lambda request: (
                watched.foreign.append(request.url)
                if urlsplit(request.url).netloc not in (host, "")
                else None
            ),
        )
        return watched

    yield open_
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def pebble(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SiteServer]:
    """The site of the built-in model, served."""
    site = tmp_path_factory.mktemp("pebble") / "site"
    build_site(built_in_model(), site, name="Pebble", model_id="pebble")
    with serving(site) as server:
        yield server


@pytest.fixture(scope="session")
def fixture_site(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Build the site of a model of tests/fixtures, once each."""
    folder = tmp_path_factory.mktemp("fixtures")

    def build(name: str) -> Path:
        if not (folder / name).exists():
            build_site(FIXTURES / f"{name}.gguf", folder / name, model_id="fixture")
        return folder / name

    return build


@pytest.fixture(scope="session")
def tiny_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of the program that is computed in the head; not to be changed."""
    import tiny

    site = tmp_path_factory.mktemp("tiny") / "site"
    tiny.write_site(site)
    return site


@pytest.fixture(scope="session")
def seeing_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of a tiny seeded model that sees, with the samples of Opal; not to be changed."""
    folder = tmp_path_factory.mktemp("seeing")
    source = write_seeing(folder / "model", FIXTURES / "tokenizer.model")
    prompts = ["caption en", "detect …"]
    settings = {"do_sample": False, "prompts": prompts}
    (source / "generation_config.json").write_text(json.dumps(settings))
    options = {"name": "Seeing", "model_id": "seeing", "samples": SAMPLES}
    build_site(source, folder / "site", **options)
    return folder / "site"


@pytest.fixture
def tiny_copy(tiny_site: Path, tmp_path: Path) -> Path:
    """A copy of the tiny site that a test may damage."""
    return Path(shutil.copytree(tiny_site, tmp_path / "site"))
