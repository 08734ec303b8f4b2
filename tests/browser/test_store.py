"""What is kept on the device: verified again, shared by tabs, listed, deleted, imported."""

from __future__ import annotations

import random
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tiny
from damage import DAMAGE_STORED
from faults import FaultyServer, faulty, stall

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

    from webgemma.serve import SiteServer

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.slow]

LOAD = """async (options) => {
  const { Engine } = await import("/webgemma/index.js");
  try {
    const engine = await Engine.load("/models/tiny/", { retryPauseMs: 5, ...options });
    const { token_ids } = await engine.generateTokens([1, 2, 3], { maxTokens: 4 });
    const { store } = engine.info;
    await engine.unload();
    return [token_ids, store];
  } catch (error) {
    return [error.name, error.message];
  }
}"""
REPORT = """async () => {
  const { storageReport } = await import("/webgemma/index.js");
  return storageReport();
}"""
SLICES = (200, 100, 150, 150, 100)
TOKENS = tiny.generate([1, 2, 3], 4)
IN_OPFS = {"kind": "opfs", "refusal": None}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FaultyServer]:
    """A site of its own port, so of its own origin: nothing is stored yet."""
    tiny.write_site(tmp_path / "site", SLICES)
    with faulty(tmp_path / "site") as running:
        yield running


def shards(server: FaultyServer) -> dict[str, int]:
    """Shard -> how often it was asked for since the last time."""
    counts = {name: n for name, n in server.requests.items() if name.endswith(".bin")}
    server.requests.clear()
    return counts


def everything_once() -> dict[str, int]:
    return {f"params_shard_{i}.bin": 1 for i in range(len(SLICES))}


def without(expression: str) -> Any:
    """Let the worker, and the page, run in a browser that lacks something."""

    def answer(route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, body=f"{expression};\n{response.text()}")

    return ("**/webgemma/shared.js", answer)


NO_OPFS = "delete StorageManager.prototype.getDirectory"
NO_CACHE = "Object.defineProperty(globalThis, 'caches', { value: undefined })"


def test_a_second_load_downloads_nothing(server: FaultyServer, open_page: Any) -> None:
    page = open_page(server).engine()
    assert page.evaluate(LOAD) == [TOKENS, IN_OPFS]
    assert shards(server) == everything_once()
    page.reload()
    assert page.evaluate(LOAD) == [TOKENS, IN_OPFS]
    assert shards(server) == {}


def test_an_interrupted_download_goes_on_where_it_was(server: FaultyServer, open_page: Any) -> None:
    page = open_page(server).engine()
    server.fail("params_shard_3.bin", stall)
    page.evaluate("""async () => {
      const { Engine } = await import("/webgemma/index.js");
      Engine.load("/models/tiny/").catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, 5000)); // so slow is a busy machine
    }""")
    context = page.context
    page.close()  # the tab, in the middle of a download
    assert set(shards(server)) == set(everything_once())
    server.recover()
    again = context.new_page()
    again.goto(server.url + "webgemma/types.d.ts")
    assert again.evaluate(LOAD) == [TOKENS, IN_OPFS]
    assert shards(server) == {"params_shard_3.bin": 1}


@pytest.mark.parametrize(
    ("missing", "kind"), [(NO_OPFS, "cache"), (f"{NO_OPFS}; {NO_CACHE}", "memory")]
)
def test_a_browser_without_a_file_system_uses_what_it_has(
    server: FaultyServer, open_page: Any, missing: str, kind: str
) -> None:
    page = open_page(server).engine()
    page.route(*without(missing))
    assert page.evaluate(LOAD) == [TOKENS, {"kind": kind, "refusal": None}]
    assert shards(server) == everything_once()
    page.reload()
    assert page.evaluate(LOAD) == [TOKENS, {"kind": kind, "refusal": None}]
    # Without a store it is the browser's own cache that spares the server, for as long as it likes.
    assert shards(server) in ([{}] if kind == "cache" else [{}, everything_once()])
    stored = page.evaluate(REPORT)
    assert (stored["kind"], len(stored["models"])) == (kind, 1 if kind == "cache" else 0)


def test_a_full_disk_costs_the_next_download_and_nothing_else(
    server: FaultyServer, open_page: Any
) -> None:
    page = open_page(server).engine()
    origin = {"origin": server.url.rstrip("/")}
    devtools = page.context.new_cdp_session(page)
    devtools.send("Storage.overrideQuotaForOrigin", {**origin, "quotaSize": 5000})
    tokens, store = page.evaluate(LOAD)
    assert tokens == TOKENS
    assert store["kind"] == "opfs"
    assert store["refusal"].startswith("QuotaExceededError: ")
    devtools.send("Storage.overrideQuotaForOrigin", origin)
    shards(server)
    assert page.evaluate(LOAD) == [TOKENS, IN_OPFS]
    shards(server)
    assert page.evaluate(LOAD) == [TOKENS, IN_OPFS]
    assert shards(server) == {}


@pytest.mark.parametrize("change", ["flip", "shorten"])
def test_what_was_damaged_on_the_disk_is_fetched_again(
    server: FaultyServer, open_page: Any, change: str
) -> None:
    page = open_page(server).engine()
    assert page.evaluate(LOAD) == [TOKENS, IN_OPFS]
    assert page.evaluate(DAMAGE_STORED, change) >= len(SLICES) + 5  # shaders, program, tokenizer
    shards(server)
    assert page.evaluate(LOAD) == [TOKENS, IN_OPFS]
    assert shards(server) == everything_once()
    assert page.evaluate(LOAD) == [TOKENS, IN_OPFS]
    assert shards(server) == {}


def test_two_tabs_download_once(server: FaultyServer, open_page: Any) -> None:
    first = open_page(server).engine()
    second = first.context.new_page()
    second.goto(server.url + "webgemma/types.d.ts")
    start = f"""() => {{ window.result = ({LOAD})(); }}"""
    first.evaluate(start)
    second.evaluate(start)
    assert first.evaluate("() => window.result") == [TOKENS, IN_OPFS]
    assert second.evaluate("() => window.result") == [TOKENS, IN_OPFS]
    assert shards(server) == everything_once()


def test_a_rebuilt_site_never_meets_the_old_bytes(
    server: FaultyServer, open_page: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_page(server).engine()
    assert page.evaluate(LOAD) == [TOKENS, IN_OPFS]
    old = page.evaluate(REPORT)["models"][0]
    changed = tiny.BIAS.copy()
    changed[250:300] += 1  # the second shard, which is [200, 300)
    monkeypatch.setattr(tiny, "BIAS", changed)
    tiny.write_site(server.root, SLICES, force=True)
    shards(server)
    expected = tiny.generate([1, 2, 3], 40)
    script = LOAD.replace("maxTokens: 4", "maxTokens: 40")
    assert page.evaluate(script) == [expected, IN_OPFS]
    # The other shards are the same bytes under the same hash, wherever they lie.
    assert shards(server) == {"params_shard_1.bin": 1}
    (new,) = page.evaluate(REPORT)["models"]
    assert new == old  # as many bytes: those of the old shard are gone


def test_what_is_stored_is_listed_and_deleted(server: FaultyServer, open_page: Any) -> None:
    shutil.copytree(server.root / "models/tiny", server.root / "models/other")
    page = open_page(server).engine()
    assert page.evaluate(REPORT)["models"] == []
    assert page.evaluate(LOAD) == [TOKENS, IN_OPFS]
    assert page.evaluate(LOAD.replace("/models/tiny/", "/models/other/")) == [TOKENS, IN_OPFS]
    assert list(shards(server).values()) == [1] * len(SLICES)  # one copy for both
    report = page.evaluate(REPORT)
    assert report["kind"] == "opfs"
    assert report["used_nbytes"] > 0
    assert report["free_nbytes"] > 0
    assert sorted(model["url"] for model in report["models"]) == [
        f"{server.url}models/other/",
        f"{server.url}models/tiny/",
    ]
    for model in report["models"]:
        assert (model["id"], model["name"]) == ("tiny", "Tiny")
        assert model["stored_nbytes"] > 2800
        assert model["is_complete"]
    delete = """async (url) => {
      const { deleteStoredModel } = await import("/webgemma/index.js");
      await deleteStoredModel(url);
    }"""
    page.evaluate(delete, "/models/other/")
    assert page.evaluate(LOAD) == [TOKENS, IN_OPFS]
    assert shards(server) == {}
    page.evaluate(delete, "/models/tiny")
    assert page.evaluate(REPORT)["models"] == []
    left = """async () => {
      const root = await navigator.storage.getDirectory();
      const names = [];
      for await (const name of (await root.getDirectoryHandle("webgemma")).keys()) names.push(name);
      return names;
    }"""
    assert page.evaluate(left) == []


IMPORT = """async (contents) => {
  const { importModel } = await import("/webgemma/index.js");
  const bytes = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const files = contents.map(([name, base64]) => new File([bytes(base64)], name));
  let last = null;
  const result = await importModel("/models/tiny/", files, (progress) => (last = progress));
  return [result, last];
}"""


def test_a_model_is_imported_from_files(server: FaultyServer, open_page: Any) -> None:
    import base64

    page = open_page(server).engine()
    folder = server.root / "models/tiny"
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    contents = [(path.name, base64.b64encode(path.read_bytes()).decode()) for path in paths]
    some = [item for item in contents if item[0] != "params_shard_1.bin"]
    damaged = ("params_shard_1.bin", base64.b64encode(bytes(400)).decode())
    result, progress = page.evaluate(IMPORT, [*some, damaged])
    assert result["imported"] == len(contents) - 2  # not webgemma.json, which is not in itself
    assert [path.rpartition("/")[2] for path in result["missing"]] == ["params_shard_1.bin"]
    assert progress["loaded_nbytes"] == progress["total_nbytes"] > 0
    assert page.evaluate(LOAD) == [TOKENS, IN_OPFS]
    assert shards(server) == {"params_shard_1.bin": 1}
    result, _ = page.evaluate(IMPORT, contents)
    assert result["missing"] == []


FLIPS = """async ([model, path, positions]) => {
  const { fetchFile, fetchManifest } = await import("/webgemma/files.js");
  const { openStore } = await import("/webgemma/store/store.js");
  const base = new URL(`/models/${model}/`, location.href);
  const manifest = await fetchManifest(base);
  const good = await fetchFile(base, path, manifest);
  const entry = manifest.files[path];
  const store = await openStore("opfs");
  const outcomes = { refused: 0, wrong: 0, dropped: 0, kept: 0 };
  const real = globalThis.fetch;
  for (const i of positions) {
    const bad = good.slice();
    bad[i] ^= 1 << i % 8;
    globalThis.fetch = async () => new Response(bad);
    const error = await fetchFile(base, path, manifest).then(() => null, (error) => error);
    outcomes[error?.message.includes("got SHA-256") ? "refused" : "wrong"] += 1;
    await store.backend.write(entry.sha256, bad);
    outcomes[(await store.get(entry)) === null ? "dropped" : "kept"] += 1;
  }
  globalThis.fetch = real;
  return outcomes;
}"""


def test_every_flipped_byte_is_noticed(server: FaultyServer, open_page: Any) -> None:
    path = next(server.root.rglob("params_shard_1.bin"))
    page: Page = open_page(server).engine()
    relative = path.relative_to(server.root / "models/tiny").as_posix()
    size = path.stat().st_size
    outcomes = page.evaluate(FLIPS, ["tiny", relative, list(range(size))])
    assert size == 400
    assert outcomes == {"refused": size, "wrong": 0, "dropped": size, "kept": 0}


@pytest.mark.long
def test_flipped_bytes_of_a_large_shard_are_noticed(pebble: SiteServer, open_page: Any) -> None:
    path = next(pebble.root.rglob("params_shard_0.bin"))
    relative = path.relative_to(pebble.root / "models/pebble").as_posix()
    size = path.stat().st_size
    assert size > 5_000_000
    positions = [0, size - 1, *random.Random(3).sample(range(size), 98)]
    outcomes = open_page(pebble).engine().evaluate(FLIPS, ["pebble", relative, positions])
    assert outcomes == {"refused": 100, "wrong": 0, "dropped": 100, "kept": 0}


def test_without_a_network_the_last_load_is_repeated(server: FaultyServer, open_page: Any) -> None:
    page = open_page(server).engine()
    assert page.evaluate(LOAD) == [TOKENS, IN_OPFS]
    engine = """async () => { window.runtime = await import("/webgemma/index.js"); }"""
    page.evaluate(engine)
    page.route("**/models/**", lambda route: route.abort("internetdisconnected"))
    assert page.evaluate(LOAD) == [TOKENS, IN_OPFS]


def test_a_server_that_hangs_up_is_waited_for_by_the_second_tab(
    server: FaultyServer, open_page: Any
) -> None:
    """The tab that waits for a shard goes on by itself when the one that had it is closed."""
    first = open_page(server).engine()
    second = first.context.new_page()
    second.goto(server.url + "webgemma/types.d.ts")
    server.fail("params_shard_2.bin", stall, times=1)
    start = f"""() => {{ window.result = ({LOAD})(); }}"""
    first.evaluate(start)
    threading.Event().wait(1)
    second.evaluate(start)
    threading.Event().wait(0.5)
    first.close()
    assert second.evaluate("() => window.result") == [TOKENS, IN_OPFS]


def test_the_settings_show_what_is_stored_and_delete_it(
    server: FaultyServer, open_page: Any
) -> None:
    watched = open_page(server)
    page = watched.goto("?max_tokens=5")
    page.locator(".prompt").first.wait_for()
    page.get_by_role("button", name="Settings").click()
    page.locator(".stored li").wait_for()
    assert page.inner_text(".stored h3") == "Kept on this device"
    assert page.inner_text(".stored li span").startswith("Tiny")
    page.get_by_role("button", name="Delete Tiny from this device").click()
    page.locator(".stored li").wait_for(state="detached")
    assert page.inner_text(".stored p").startswith("Nothing yet · ")
    assert page.evaluate(REPORT)["models"] == []
    watched.check()


def test_the_page_says_when_the_browser_has_no_room(server: FaultyServer, open_page: Any) -> None:
    page = open_page(server).page
    devtools = page.context.new_cdp_session(page)
    origin = {"origin": server.url.rstrip("/")}
    devtools.send("Storage.overrideQuotaForOrigin", {**origin, "quotaSize": 5000})
    page.goto(server.url + "?max_tokens=5")
    page.locator(".prompt").first.wait_for()
    notes = page.locator(".note").all_inner_texts()
    assert any(note.startswith("This browser had no room for all of the model") for note in notes)
