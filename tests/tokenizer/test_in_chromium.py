"""The tokenizer in a worker of the page: a vocabulary of Gemma's size, and byte-level ones."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sentencepiece
import tokenizers

from tests.support.byte_level import PATTERNS, byte_level_strings, family_document
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
    model = write_model(synthetic_pieces(256_000))
    reference = sentencepiece.SentencePieceProcessor()
    reference.LoadFromSerializedProto(model)
    # One text of 100 kB, then many short ones.
    texts = list(make_strings(4000, seed=9))
    texts.insert(0, "".join(texts)[:100_000])

    source = TokenizerSource(sentencepiece=model)
    result = run_in_worker(folder, playwright, chromium_path, make_tokenizer_json(source), texts)
    print({key: value for key, value in result.items() if key != "ids"})
    assert result["ids"] == [reference.EncodeAsIds(text) for text in texts]
    assert result["load_ms"] < 8000
    assert result["encode_ms"] < 2 * 4000  # the long text, and the short ones as long again


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("family", PATTERNS)
def test_byte_level_ids_in_a_worker(
    folder: tuple[Path, str], playwright: Playwright, chromium_path: str, family: str
) -> None:
    document = json.dumps(family_document(family))
    reference = tokenizers.Tokenizer.from_str(document)
    reference.encode_special_tokens = True
    texts = list(byte_level_strings(4000, seed=9))
    texts.insert(0, "".join(texts)[:100_000])
    content = make_tokenizer_json(TokenizerSource(tokenizer_json=document.encode()))
    result = run_in_worker(folder, playwright, chromium_path, content, texts)
    expected = reference.encode_batch(texts, add_special_tokens=False)
    assert result["ids"] == [encoding.ids for encoding in expected]
    assert result["encode_ms"] < 2 * 4000


def run_in_worker(
    folder: tuple[Path, str],
    playwright: Playwright,
    chromium_path: str,
    tokenizer_json: bytes,
    texts: list[str],
) -> Any:
    """Encode the texts in a worker: {"ids", "load_ms", "encode_ms"}."""
    path, address = folder
    (path / "runtime").symlink_to(RUNTIME)
    (path / "index.html").write_text(PAGE)
    (path / "worker.js").write_text(WORKER % TRIES)
    (path / "texts.json").write_text(json.dumps(texts))
    (path / "tokenizer.json").write_bytes(tokenizer_json)

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
    return result
