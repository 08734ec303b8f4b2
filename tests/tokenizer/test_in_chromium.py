"""The tokenizer in a worker of the page, with a vocabulary of Gemma's size."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sentencepiece

from tests.support.sentencepiece_model import synthetic_pieces, write_model
from tests.support.strings import make_strings
from webgemma.checkpoint import TokenizerSource
from webgemma.tokenizer import make_tokenizer_json

if TYPE_CHECKING:
    from playwright.sync_api import Playwright

RUNTIME = Path(__file__).parents[2] / "web" / "runtime"
TRIES = 3
WORKER = """
import { Tokenizer } from "./runtime/tokenizer.js";
const json = await (await fetch("tokenizer.json")).text();
const texts = await (await fetch("texts.json")).json();
const times = { load: [], encode: [] };
let ids;
for (let i = 0; i < %d; i++) {
  const start = performance.now();
  const tokenizer = Tokenizer.fromJson(json);
  const loaded = performance.now();
  ids = texts.map((text) => tokenizer.encode(text));
  times.load.push(loaded - start);
  times.encode.push(performance.now() - loaded);
}
postMessage({ ids, load_ms: Math.min(...times.load), encode_ms: Math.min(...times.encode) });
"""
# The site's own policy: a library that evaluates text or compiles wasm would fail here.
PAGE = """<!doctype html>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'self'">
<title>tokenizer</title>
"""


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, to the worker with the site's policy too, and prints nothing."""

    def end_headers(self) -> None:
        policy = "default-src 'none'; script-src 'self'; connect-src 'self'; worker-src 'self'"
        self.send_header("Content-Security-Policy", policy)
        super().end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """An empty served folder and its address."""
    handler = functools.partial(Handler, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield tmp_path, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.slow
@pytest.mark.browser
def test_ids_and_times_in_a_worker(
    folder: tuple[Path, str], playwright: Playwright, chromium_path: str
) -> None:
    path, address = folder
    model = write_model(synthetic_pieces(256_000))
    reference = sentencepiece.SentencePieceProcessor()
    reference.LoadFromSerializedProto(model)
    # One text of 100 kB, then many short ones.
    texts = list(make_strings(4000, seed=9))
    texts.insert(0, "".join(texts)[:100_000])

    (path / "runtime").symlink_to(RUNTIME)
    (path / "index.html").write_text(PAGE)
    (path / "worker.js").write_text(WORKER % TRIES)
    (path / "texts.json").write_text(json.dumps(texts))
    source = TokenizerSource(sentencepiece=model)
    (path / "tokenizer.json").write_bytes(make_tokenizer_json(source))

    browser = playwright.chromium.launch(executable_path=chromium_path, args=["--no-sandbox"])
    page = browser.new_page()
    page.goto(f"{address}/index.html")
    result = page.evaluate(
        """() => new Promise((resolve, reject) => {
            const worker = new Worker("worker.js", { type: "module" });
            worker.onmessage = ({ data }) => resolve(data);
            worker.onerror = (event) => reject(new Error(event.message));
        })"""
    )
    browser.close()
    print({key: value for key, value in result.items() if key != "ids"})
    assert result["ids"] == [reference.EncodeAsIds(text) for text in texts]
    assert result["load_ms"] < 2000
    assert result["encode_ms"] < 2 * 2000  # the long text, and the short ones as long again
