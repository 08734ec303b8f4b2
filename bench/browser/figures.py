"""What a visitor of a site waits for, in Chromium: page, cached model, first token, long tasks.

    python bench/browser/figures.py site [--visits 5] [--stored] [--chromium /usr/bin/chromium]

The first visit downloads and stores; the others find everything on the device, as the second
visit of anybody does. Every time counts from the start of the navigation; the question is asked the
moment the page takes it. Prints medians, and the bytes of JavaScript that the site serves.

With --stored: how long the engine takes to load the stored model, beside reading its files from
where they are stored and hashing them, as many at a time, and nothing else; in turns.
"""

from __future__ import annotations

import argparse
import gzip
import os
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from page import ARGUMENTS, HOURS, RUNTIME

from webgemma.serve import serving

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page, Route

# Runs before the page's own scripts: notes when what happens, and asks as soon as it can.
WATCH = """
window.times = {};
window.longest = 0;
const note = (name) => (window.times[name] ??= performance.now());
import(new URL("./webgemma/index.js", location.href).href).then(({ Engine }) => {
  const { load } = Engine;
  Engine.load = async (url, { onProgress, ...options }) => {
    note("load begins");
    const noting = (progress) => {
      note(progress.stage);
      onProgress(progress);
    };
    return load.call(Engine, url, { ...options, onProgress: noting });
  };
});
addEventListener("DOMContentLoaded", () => {
  note("document");
  new MutationObserver(() => {
    const name = document.querySelector("#welcome h2")?.textContent;
    if (name) note("page interactive");
    const input = document.querySelector("#input");
    const send = document.querySelector("#send");
    if (document.querySelector(".prompt") && input.offsetParent && !window.times.asked) {
      input.value = "Tell me a story.";
      input.dispatchEvent(new Event("input", { bubbles: true }));
      if (send.disabled) return;
      note("asked");
      send.click();
      new PerformanceObserver((list) => {
        const durations = list.getEntries().map(({ duration }) => duration);
        window.longest = Math.max(window.longest, ...durations);
      }).observe({ type: "longtask" });
    }
    const reply = document.querySelector(".assistant .markdown");
    if (reply?.textContent.trim()) note("first token");
    if (document.querySelector(".facts")) note("answered");
  }).observe(document.body, {
    subtree: true, childList: true, attributes: true, characterData: true,
  });
});
"""
# Milliseconds of both for the site's first model, which the first load has stored.
LOAD_STORED = """async () => {
  const at = (path) => new URL(path, location.href).href;
  const { Engine } = await import(at("./index.js"));
  const { sha256 } = await import(at("./hash.js"));
  const { PARALLEL_SHARDS } = await import(at("./shards.js"));
  const { openStore } = await import(at("./store/store.js"));
  const { listModels } = await import(at("./store/library.js"));
  const [{ id }] = (await (await fetch(at("../models/index.json"))).json()).models;
  const url = at(`../models/${id}/`);
  const time = async (work) => {
    const started = performance.now();
    await work();
    return performance.now() - started;
  };
  const load = async () => {
    const engine = await Engine.load(url, { tune: false });
    const { kind, refusal } = engine.info.store;
    if (refusal) throw new Error(`the browser stored not all of it: ${refusal}`);
    if (kind === "memory") throw new Error("this browser stores nothing");
    window.engine = engine;
  };
  const { files, weights } = await (await fetch(`${url}webgemma.json`)).json();
  const shards = Object.entries(files).filter(([path]) => path.startsWith(weights.path));
  const read = async () => {
    const { backend } = await openStore();
    const queue = shards.values();
    const work = async () => {
      for (const [path, entry] of queue) {
        const hash = await sha256(await backend.read(entry.sha256));
        if (hash !== entry.sha256) throw new Error(`${path} is damaged`);
      }
    };
    await Promise.all(Array.from({ length: PARALLEL_SHARDS }, work));
  };
  const loaded = await time(load);
  await window.engine.unload();
  const stored = (await listModels(await openStore())).some((model) => model.is_complete);
  if (!stored) throw new Error("the model was not stored");
  return [loaded, await time(read)];
}"""
STEPS = ("document", "page interactive", "load begins", "manifest", "weights", "compile", "ready",
         "asked", "first token", "answered")  # fmt: skip


def visit(page: Page, url: str) -> dict[str, float]:
    """Open the page, ask, and wait for the answer; milliseconds of every step."""
    page.goto(url)
    page.locator(".facts").first.wait_for()
    page.evaluate("async () => { await navigator.serviceWorker.ready; }")
    times: dict[str, float] = page.evaluate("window.times")
    return times | {"longest task": page.evaluate("window.longest")}


def answer_with_module(route: Route, site: Path) -> None:
    """Answer with a module of web/runtime, where the site has it joined with others."""
    name = urlsplit(route.request.url).path.removeprefix("/webgemma/")
    if (site / "webgemma" / name).exists():
        route.continue_()
    else:
        route.fulfill(path=RUNTIME / name)


def measure_stored(site: Path, chromium: str, visits: int) -> list[tuple[float, float]]:
    """(load, read and hash) of every visit after the first, milliseconds."""
    with open_profile(site, chromium) as (context, url):
        context.route("**/webgemma/**/*.js", partial(answer_with_module, site=site))
        runs = []
        for _ in range(visits + 1):
            page = context.new_page()
            page.set_default_timeout(HOURS)
            page.goto(f"{url}webgemma/types.d.ts")
            runs.append(page.evaluate(LOAD_STORED))
            page.close()
    return runs[1:]


def javascript_nbytes(site: Path) -> dict[str, int]:
    """Gzipped bytes of scripts by their folder, each file by itself."""
    sums: dict[str, int] = {}
    for path in site.rglob("*.js"):
        part = path.relative_to(site).parts[0]
        sums[part] = sums.get(part, 0) + len(gzip.compress(path.read_bytes()))
    return sums


@contextmanager
def open_profile(site: Path, chromium: str) -> Iterator[tuple[BrowserContext, str]]:
    """A browser that keeps what it stores until the end, and the address of the site."""
    from playwright.sync_api import sync_playwright

    with (
        tempfile.TemporaryDirectory() as profile,
        serving(site) as server,
        sync_playwright() as playwright,
    ):
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=chromium, args=ARGUMENTS
        )
        yield context, server.url
        context.close()


def measure(site: Path, chromium: str, visits: int) -> tuple[dict[str, float], list[Any]]:
    """(the first visit, the others)."""
    with open_profile(site, chromium) as (context, url):
        context.add_init_script(WATCH)
        runs = []
        for _ in range(visits + 1):
            page = context.new_page()
            page.set_default_timeout(HOURS)
            runs.append(visit(page, f"{url}?max_tokens=60&temperature=0"))
            page.close()
    return runs[0], runs[1:]


def print_stored(runs: list[tuple[float, float]]) -> None:
    """Print medians of both and of their ratio."""
    print(f"milliseconds, median of {len(runs)}, load of the machine {os.getloadavg()[0]:.1f}")
    for name, times in zip(("load", "read and hash"), zip(*runs, strict=True), strict=True):
        print(f"{name:18} {statistics.median(times):11.0f}")
    ratio = statistics.median(load / read for load, read in runs)
    print(f"{'ratio':18} {ratio:11.2f}")


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("site", type=Path)
    parser.add_argument("--visits", type=int, default=5)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--stored", action="store_true", help="load beside read and hash")
    arguments = parser.parse_args()
    if arguments.stored:
        print_stored(measure_stored(arguments.site, arguments.chromium, arguments.visits))
        return
    first, others = measure(arguments.site, arguments.chromium, arguments.visits)
    load = os.getloadavg()[0]
    print(f"milliseconds from the start of the navigation, load of the machine {load:.1f}")
    print(f"{'':18} first visit   median of {len(others)} later ones")
    for step in (*STEPS, "longest task"):
        median = statistics.median(run[step] for run in others)
        print(f"{step:18} {first[step]:11.0f} {median:11.0f}")
    print("gzipped bytes of JavaScript:", javascript_nbytes(arguments.site))


if __name__ == "__main__":
    main()
