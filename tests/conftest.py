"""What tests share: the markers' conditions.

A test that lacks a GPU adapter, a browser or the reference packages is skipped with the reason;
WEBGEMMA_REQUIRE_GPU=1, WEBGEMMA_REQUIRE_BROWSER=1 and WEBGEMMA_REQUIRE_REFERENCES=1 make that a
failure, so that a lane which installs them cannot turn green by skipping.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Playwright

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@cache
def _why_no_gpu() -> str | None:
    """Return why tests marked `gpu` cannot run; None if they can."""
    import wgpu

    adapters = wgpu.gpu.enumerate_adapters_sync()
    if not any(adapter.info["backend_type"] != "OpenGL" for adapter in adapters):
        return (
            "wgpu finds no Vulkan, Metal or D3D12 adapter (Debian: apt install mesa-vulkan-drivers)"
        )
    return None


@cache
def _why_no_browser() -> str | None:
    """Return why tests marked `browser` cannot run; None if they can."""
    if importlib.util.find_spec("playwright") is None:
        return "playwright is not installed (pip install playwright)"
    if os.environ.get("WEBGEMMA_CHROMIUM") or any(shutil.which(name) for name in CHROMIUM_NAMES):
        return None
    return "Chromium is not installed (Debian: apt install chromium)"


@cache
def _why_no_references() -> str | None:
    """Return why tests marked `references` cannot run; None if they can."""
    missing = [n for n in ("torch", "transformers") if importlib.util.find_spec(n) is None]
    return f"{' and '.join(missing)} not installed (make test REFERENCES=1)" if missing else None


def _why_no_packaging() -> str | None:
    """Return why tests marked `packaging` are not run; None if they are."""
    if os.environ.get("WEBGEMMA_PACKAGING") == "1":
        return None
    return "downloads every dependency twice (WEBGEMMA_PACKAGING=1 runs it)"


def _why_not_long() -> str | None:
    """Return why tests marked `long` are not run; None if they are."""
    return (
        None if os.environ.get("WEBGEMMA_LONG") == "1" else "takes long (WEBGEMMA_LONG=1 runs it)"
    )


CONDITIONS = {
    "gpu": (_why_no_gpu, "WEBGEMMA_REQUIRE_GPU"),
    "browser": (_why_no_browser, "WEBGEMMA_REQUIRE_BROWSER"),
    "references": (_why_no_references, "WEBGEMMA_REQUIRE_REFERENCES"),
    "packaging": (_why_no_packaging, "WEBGEMMA_PACKAGING"),
    "long": (_why_not_long, "WEBGEMMA_LONG"),
}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a marked test whose condition fails, or fail it where the condition is required."""
    for marker, (why_not, variable) in CONDITIONS.items():
        if item.get_closest_marker(marker) is None:
            continue
        reason = why_not()
        if reason is None:
            continue
        if os.environ.get(variable) == "1":
            pytest.fail(f"{reason}, and {variable}=1", pytrace=False)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Path of the system's Chromium; only for tests marked `browser`."""
    path = os.environ.get("WEBGEMMA_CHROMIUM")
    path = path or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    assert path is not None, "mark the test with pytest.mark.browser"
    return path


@pytest.fixture(scope="session")
def fixtures() -> Path:
    """The folder of small models and blocks made with llama.cpp."""
    return Path(__file__).parent / "fixtures"


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """Playwright, started once: a process takes no second one beside it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        yield started
