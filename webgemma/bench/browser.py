"""Measures a site in Chromium: the same figures, by the engine's own `diagnostics()`."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from webgemma.bench.measure import (
    CONTEXTS,
    MOST_SECONDS,
    PROMPTS,
    STEPS,
    Bench,
    KernelTime,
    Rate,
    choose_lengths,
    window_for,
)
from webgemma.bench.peaks import copy_bandwidth, multiply_add_rate
from webgemma.errors import ConfigError, GpuError
from webgemma.layout import model_folder, read_manifest
from webgemma.progress import Progress, no_progress
from webgemma.resources import data_folder
from webgemma.serve import serving

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = ("--enable-unsafe-webgpu", "--no-sandbox")
"""The first gives WebGPU where Chromium would give none, such as on a software adapter."""
DOCUMENT = "webgemma/types.d.ts"
"""What is opened: a document of the site that runs nothing by itself."""

LOAD = """async ([id, variant, contextWindowSize]) => {
  const { Engine } = await import("/webgemma/index.js");
  const started = performance.now();
  window.engine = await Engine.load(`/models/${id}/`, { variant, contextWindowSize });
  return { seconds: (performance.now() - started) / 1000, info: window.engine.info };
}"""
MEASURE = """async (measure) => {
  const onProgress = ({ done, total }) => window.measured(done, total);
  return window.engine.diagnostics({ measure, onProgress });
}"""
# A kernel that belongs to no program, by the runtime's own timer.
KERNEL = """async ([code, bindings, workgroups, repeat, mostMs]) => {
  const [{ Timer }, { StagingPool }] = await Promise.all([
    import("/webgemma/timing.js"), import("/webgemma/staging.js"),
  ]);
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
  const clock = "timestamp-query";
  const requiredFeatures = adapter.features.has(clock) ? [clock] : [];
  const device = await adapter.requestDevice({ requiredFeatures });
  const runner = {
    device,
    staging: new StagingPool(device),
    lost: new Promise(() => {}),
    finished: () => device.queue.onSubmittedWorkDone(),
  };
  const module = device.createShaderModule({ code });
  const pipeline = await device.createComputePipelineAsync({ layout: "auto", compute: { module } });
  const entries = bindings.map(({ nbytes, bytes }, binding) => {
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
    const buffer = device.createBuffer({ size: nbytes, usage });
    device.queue.writeBuffer(buffer, 0, Uint8Array.from(bytes));
    return { binding, resource: { buffer } };
  });
  const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
  const record = (pass) => {
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(workgroups);
  };
  const ms = await new Timer(runner).medianMs(record, repeat, mostMs);
  device.destroy();
  return ms / 1000;
}"""
MODULES = ("timing.js", "staging.js")
"""What KERNEL imports."""
HOUR_MS = 3600 * 1000


def bench_in_browser(
    site: str | Path,
    *,
    model: str | None = None,
    variant: str = "auto",
    prompts: Sequence[int] | None = None,
    contexts: Sequence[int] | None = None,
    repeat: int = 5,
    progress: Progress = no_progress,
) -> Bench:
    """Measure a model of a site in the Chromium of this machine.

    Args:
        site: A site folder, or the folder of one of its models.
        model: The model's id; the first by default.
        variant: As the page takes it.
        prompts: As `bench` takes them.
        contexts: As `bench` takes them.
        repeat: Measurements of each figure, fewer where they are slow; their median is given.
        progress: Told the measurements done, of all.

    Raises:
        ConfigError: playwright or Chromium is missing, or a length does not fit the context.
        FormatError: files are damaged.
        GpuError: the page could not run the model; the message is the page's.
    """
    folder = model_folder(Path(site), model)
    manifest = read_manifest(folder)
    with open_chromium(folder.parents[1]) as (page, browser):
        page.expose_function("measured", lambda done, total: progress("measuring", done, total))
        loaded = _evaluate(
            page, LOAD, [manifest["id"], variant, window_for(manifest, prompts, contexts)]
        )
        most = loaded["info"]["context_window_size"]
        options = {
            "prompts": choose_lengths(prompts, PROMPTS, most, "prompt"),
            "contexts": choose_lengths(contexts, CONTEXTS, most - STEPS, "context"),
            "repeat": repeat,
            "mostMs": 1000 * MOST_SECONDS,
        }
        report = _evaluate(page, MEASURE, options)
        plain = _plain_kernels(page, repeat)
        return _as_bench(
            report, browser, loaded["seconds"], copy_bandwidth(plain), multiply_add_rate(plain)
        )


@contextmanager
def open_chromium(site: Path) -> Iterator[tuple[Page, str]]:
    """Serve a site and open a document of it in Chromium.

    Yields:
        (the page, the browser's name and version).

    Raises:
        ConfigError: playwright or Chromium is missing.
    """
    if importlib.util.find_spec("playwright") is None:
        raise ConfigError(
            "--browser: got no Python package playwright, expected it to be installed. "
            "Run: pip install playwright"
        )
    from playwright.sync_api import sync_playwright

    chromium = find_chromium()
    with serving(site) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        try:
            page = browser.new_page(service_workers="block")
            page.set_default_timeout(HOUR_MS)
            for name in MODULES:  # a site has them joined with others
                path = data_folder("web") / "runtime" / name
                page.route(f"**/webgemma/{name}", partial(_answer_with, path=path))
            page.goto(server.url + DOCUMENT)
            yield page, f"Chromium {browser.version}"
        finally:
            browser.close()


def _answer_with(route: Route, path: Path) -> None:
    route.fulfill(path=path)


def find_chromium() -> str:
    """Return the path of this machine's Chromium or Chrome.

    Raises:
        ConfigError: there is none.
    """
    named = os.environ.get("WEBGEMMA_CHROMIUM")
    found = named or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if found is None:
        raise ConfigError(
            f"--browser: got none of {', '.join(CHROMIUM_NAMES)}, expected one to be installed. "
            "Install Chromium, or name it: WEBGEMMA_CHROMIUM=/path/to/chromium"
        )
    return found


def _evaluate(page: Page, script: str, argument: Any) -> Any:
    """Run a script in the page; what it throws becomes ours.

    Raises:
        GpuError: it threw.
    """
    from playwright.sync_api import Error

    try:
        return page.evaluate(script, argument)
    except Error as error:
        message = error.message.splitlines()[0].removeprefix("Page.evaluate: ")
        raise GpuError(f"in Chromium: {message}") from error


def _plain_kernels(page: Page, repeat: int) -> Callable[..., float]:
    """Return what times one dispatch in the page (peaks.KernelSeconds)."""

    def seconds(
        code: str,
        arrays: Mapping[str, NDArray[Any]],
        types: Sequence[tuple[str, str]],
        workgroups: int,
    ) -> float:
        bindings = [
            {
                "nbytes": arrays[name].nbytes,
                "bytes": list(arrays[name].tobytes()) if arrays[name].any() else [],
            }
            for name, _ in types
        ]
        argument = [code, bindings, workgroups, repeat, 1000 * MOST_SECONDS]
        return float(_evaluate(page, KERNEL, argument))

    return seconds


def _as_bench(
    report: Mapping[str, Any], browser: str, load_seconds: float, copied: float, multiplied: float
) -> Bench:
    measured, model, adapter = report["measured"], report["model"], report["adapter"]
    kernels = tuple(
        KernelTime(**{name: value for name, value in kernel.items() if name != "phase"})
        for kernel in measured["kernels"]
        if kernel["phase"] == "decode"
    )
    names = (adapter["vendor"], adapter["architecture"], adapter["description"])
    return Bench(
        model=model["name"], variant=report["variant"], adapter=" ".join(filter(None, names)),
        backend=browser, num_parameters=model["num_parameters"],
        weights_nbytes=sum(kernel.weights_nbytes for kernel in kernels),
        load_seconds=load_seconds, first_token_seconds=measured["first_token_seconds"],
        prefill=tuple(Rate(**rate) for rate in measured["prefill"]),
        decode=tuple(Rate(**rate) for rate in measured["decode"]),
        kernels=kernels, copy_bandwidth=copied, multiply_add_rate=multiplied,
        tuning={group: found["taken"] for group, found in report["tuning"].items()},
    )  # fmt: skip
