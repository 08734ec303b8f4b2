"""What a visitor of a site waits for, in Chromium: page, cached model, first token, long tasks.

    python bench/browser/figures.py site [--visits 5] [--chromium /usr/bin/chromium]

The first visit downloads and stores; the others find everything on the device, as the second
visit of anybody does. Every time counts from the start of the navigation; the question is asked the
moment the page takes it. Prints medians, and the bytes of JavaScript that the site serves.
"""

from __future__ import annotations

import argparse
import gzip
import os
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from page import ARGUMENTS, HOURS

from webgemma.serve import serving

if TYPE_CHECKING:
    from playwright.sync_api import Page

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
STEPS = ("document", "page interactive", "load begins", "manifest", "weights", "compile", "ready",
         "asked", "first token", "answered")  # fmt: skip


def visit(page: Page, url: str) -> dict[str, float]:
    """Open the page, ask, and wait for the answer; milliseconds of every step."""
    page.goto(url)
    page.locator(".facts").first.wait_for()
    page.evaluate("async () => { await navigator.serviceWorker.ready; }")
    times: dict[str, float] = page.evaluate("window.times")
    return times | {"longest task": page.evaluate("window.longest")}


def javascript_nbytes(site: Path) -> dict[str, int]:
    """Gzipped bytes of scripts by their folder, each file by itself."""
    sums: dict[str, int] = {}
    for path in site.rglob("*.js"):
        part = path.relative_to(site).parts[0]
        sums[part] = sums.get(part, 0) + len(gzip.compress(path.read_bytes()))
    return sums


def measure(site: Path, chromium: str, visits: int) -> tuple[dict[str, float], list[Any]]:
    """(the first visit, the others)."""
    from playwright.sync_api import sync_playwright

    with (
        tempfile.TemporaryDirectory() as profile,
        serving(site) as server,
        sync_playwright() as playwright,
    ):
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=chromium, args=ARGUMENTS
        )
        context.add_init_script(WATCH)
        runs = []
        for _ in range(visits + 1):
            page = context.new_page()
            page.set_default_timeout(HOURS)
            runs.append(visit(page, f"{server.url}?max_tokens=60&temperature=0"))
            page.close()
        context.close()
    return runs[0], runs[1:]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("site", type=Path)
    parser.add_argument("--visits", type=int, default=5)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    arguments = parser.parse_args()
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
