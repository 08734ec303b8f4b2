"""However a download fails, it ends with the right text or an error that names the file and why.

What was stored is whole afterwards: the next load gives the right text.
In CI each fault strikes one shard, once and for good; WEBGEMMA_LONG=1 strikes the first, a middle
and the last one. The table that is printed stands in docs/loading.md.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import tiny
from faults import FAULTS, FaultyServer, faulty

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.slow]

LOAD = """async (options) => {
  const { Engine } = await import("/webgemma/index.js");
  try {
    const engine = await Engine.load("/models/tiny/", { retryPauseMs: 5, ...options });
    const { token_ids } = await engine.generateTokens([1, 2, 3], { maxTokens: 4 });
    const { store } = engine.info;
    await engine.unload();
    return ["loaded", token_ids, store];
  } catch (error) {
    return [error.name, error.message, null];
  }
}"""
FORGET = """async () => {
  const { deleteStoredModel } = await import("/webgemma/index.js");
  await deleteStoredModel("/models/tiny/");
}"""
SHARDS = {"first": 0, "middle": 2, "last": 4}
SLICES = (200, 100, 150, 150, 100)
TEXT = ["loaded", tiny.generate([1, 2, 3], 4)]
RECOVERS_ONCE = set(FAULTS) - {"404"}
"""Whatever may go away is asked for again; a server that says it has no such file is believed."""
NAMED = {
    "404": ("DownloadError", "the server answered 404 Not Found, expected 200."),
    "500": ("DownloadError", "the server answered 500 Internal Server Error, expected 200."),
    "a web page as 200": ("DownloadError", "the server answered with a web page"),
    "one byte short": ("FormatError", "bytes, expected "),
    "cut off": ("DownloadError", "the connection broke after "),
    "one byte long": ("FormatError", "bytes or more, expected "),
    "one bit flipped": ("FormatError", "got SHA-256 "),
    "gzip, not said": ("FormatError", "got "),
    "gzip said, but it is not": ("DownloadError", "the connection broke after 0 of "),
    "206, unasked": ("DownloadError", "the server answered 206 Partial Content, expected 200."),
    "206 of another range": ("DownloadError", "the server answered 206 Partial Content"),
    "416": ("DownloadError", "the server answered 416 "),
    "stall in the middle": ("DownloadError", ": nothing came for 1 s. Try again."),
    "no answer": ("DownloadError", "could not be reached (nothing came for 1 s)."),
    "reset in the middle": ("DownloadError", "the connection broke after "),
    "connection refused": ("DownloadError", "the server could not be reached."),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyServer]:
    site = tmp_path_factory.mktemp("faults") / "site"
    tiny.write_site(site, SLICES)
    with faulty(site) as running:
        yield running


@pytest.fixture(scope="module")
def page(server: FaultyServer, open_page: Any) -> Page:
    return open_page(server).engine()


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Iterator[list[tuple[str, str, str, str]]]:
    """Rows of fault, shard, how often and outcome; printed at the end."""
    rows: list[tuple[str, str, str, str]] = []
    yield rows
    capture: Any = request.config.pluginmanager.get_plugin("capturemanager")
    lines = ["| fault | shard | times | outcome |", "|---|---|---|---|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    with capture.global_and_fixture_disabled():
        print("", *lines, sep="\n")


def where(fault: str) -> list[str]:
    """Which shards a fault strikes."""
    if os.environ.get("WEBGEMMA_LONG") == "1":
        return list(SHARDS)
    return [list(SHARDS)[list(FAULTS).index(fault) % len(SHARDS)]]


def patience(fault: str) -> dict[str, int]:
    """A second for what never answers; the usual time for what may only be slow on this machine."""
    return {"stallTimeoutMs": 1000} if fault in ("stall in the middle", "no answer") else {}


CASES = [(fault, shard) for fault in FAULTS for shard in where(fault)]


@pytest.mark.parametrize(("fault", "shard"), CASES)
def test_a_fault_that_passes_is_recovered_from(
    server: FaultyServer, page: Page, table: Any, fault: str, shard: str
) -> None:
    name = f"params_shard_{SHARDS[shard]}.bin"
    page.evaluate(FORGET)
    server.fail(name, FAULTS[fault], times=1)
    result = page.evaluate(LOAD, patience(fault))
    if fault in RECOVERS_ONCE:
        assert result[:2] == TEXT
        table.append((fault, shard, "once", "right text"))
        # Chromium itself asks once more when a connection ends before the answer.
        assert server.requests[name] in ({1} if fault == "gzip, said so" else {2, 3})
        assert_stored(server, page)
    else:
        assert_named(result, fault, name)
        table.append((fault, shard, "once", f"{result[0]}: {result[1].split(': ', 1)[1]}"))


@pytest.mark.parametrize(("fault", "shard"), CASES)
def test_a_fault_that_stays_is_named(
    server: FaultyServer, page: Page, table: Any, fault: str, shard: str
) -> None:
    name = f"params_shard_{SHARDS[shard]}.bin"
    page.evaluate(FORGET)
    server.fail(name, FAULTS[fault])
    result = page.evaluate(LOAD, patience(fault))
    if fault == "gzip, said so":
        assert result[:2] == TEXT
        table.append((fault, shard, "always", "right text"))
    else:
        assert_named(result, fault, name)
        table.append((fault, shard, "always", f"{result[0]}: {result[1].split(': ', 1)[1]}"))
    server.recover()
    assert page.evaluate(LOAD)[:2] == TEXT


def assert_named(result: list[Any], fault: str, name: str) -> None:
    kind, message = NAMED[fault]
    assert result[0] == kind
    assert result[1].partition(": ")[0].endswith(f"/{name}")
    assert message in result[1]


def assert_stored(server: FaultyServer, page: Page) -> None:
    """A load gives the right text and asks for the manifest alone."""
    server.recover()
    assert page.evaluate(LOAD) == [*TEXT, {"kind": "opfs", "refusal": None}]
    assert [name for name in server.requests if not name.endswith((".js", ".ts"))] == [
        "webgemma.json"
    ]
