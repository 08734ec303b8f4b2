"""A page of bench/browser in Chromium: its own files, a case's, and npm modules, at one address."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

HERE = Path(__file__).parent
RUNTIME = HERE.parents[1] / "web" / "runtime"
ARGUMENTS = ["--enable-unsafe-webgpu", "--no-sandbox", "--headless=new"]
HOURS = 3600 * 1000


class Handler(SimpleHTTPRequestHandler):
    """Serves npm's folder at /modules/, the case's at /case/, web/runtime, and what is beside it.

    Pages are cross-origin isolated, so that WebAssembly has its threads.
    """

    def __init__(self, *args: Any, case: Path, modules: Path, **kwargs: Any) -> None:
        self.roots = {"case": case, "modules": modules, "runtime": RUNTIME}
        super().__init__(*args, directory=str(HERE), **kwargs)

    def translate_path(self, path: str) -> str:
        """The file of a URL."""
        first, _, rest = path.split("?")[0].lstrip("/").partition("/")
        return (
            str(self.roots[first] / rest) if first in self.roots else super().translate_path(path)
        )

    def end_headers(self) -> None:
        """Isolate the page."""
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def open_page(
    case: Path, modules: Path, chromium: str, document: str = "onnxruntime.html"
) -> Iterator[Page]:
    """Open a document of this folder in Chromium; modules come from npm's folder."""
    from playwright.sync_api import sync_playwright

    handler = partial(Handler, case=case, modules=modules.resolve())
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
            page = browser.new_page()
            page.set_default_timeout(HOURS)
            page.goto(f"http://127.0.0.1:{server.server_port}/{document}")
            page.wait_for_function("window.ready === true")
            yield page
            browser.close()
    finally:
        server.shutdown()
