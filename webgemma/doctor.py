"""What of webgemma will run on this machine: adapters, features, limits, browser."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import wgpu

from webgemma.errors import GpuError, UnsupportedError
from webgemma.program.spec import VARIANTS
from webgemma.runtime.device import (
    BROWSER_LIMITS,
    adapter_features,
    adapter_kinds,
    choose_adapter,
)
from webgemma.runtime.runner import choose_variant
from webgemma.runtime.self_test import run_self_test
from webgemma.runtime.shards import open_site_model
from webgemma.table import format_table
from webgemma.version import __version__

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "msedge")
MIB = 1024 * 1024
MAC_BROWSERS = ("Google Chrome", "Chromium", "Microsoft Edge", "Safari")


@dataclass(frozen=True, slots=True)
class AdapterReport:
    """What one adapter offers."""

    name: str
    backend: str
    """Vulkan, Metal, D3D12 or OpenGL."""
    kind: str
    """DiscreteGPU, IntegratedGPU, CPU, ..."""
    features: list[str]
    """Those that webgemma has use for, by WebGPU's names."""
    limits: dict[str, int]
    """Those a program may come up against."""
    short_limits: list[str]
    """Limits below WebGPU's defaults."""
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class DoctorReport:
    """What will run here."""

    version: str
    adapters: list[AdapterReport]
    variant: str | None
    """The shaders that the native runner takes; None if it cannot run."""
    problem: str | None
    """Why the native runner cannot run."""
    browser: str | None
    """Path of a browser with WebGPU."""

    @property
    def can_run(self) -> bool:
        """Whether anything can run: natively or in a browser."""
        return self.variant is not None or self.browser is not None


def examine() -> DoctorReport:
    """Look at this machine."""
    adapters = wgpu.gpu.enumerate_adapters_sync()
    problem: str | None = None
    chosen: Any = None
    try:
        chosen = choose_adapter()
    except GpuError as error:
        problem = str(error)
    reports = [_examine_adapter(adapter, chosen) for adapter in adapters]
    if chosen is not None:
        short = _short_limits(chosen.limits)
        if short:
            problem = f"the adapter is below WebGPU's default limits: {', '.join(short)}."
    variant = best_variant(chosen) if chosen and not problem else None
    return DoctorReport(__version__, reports, variant, problem, find_browser())


@dataclass(frozen=True, slots=True)
class VariantReport:
    """What came of a site's self-test in one variant."""

    variant: str
    worst: str
    """The output that is furthest from what it should be, measured by what is let pass."""
    error: float
    """Its distance, squared, relative to what it should be."""
    is_right: bool


def try_kernels(site: Path, model_id: str | None = None) -> list[VariantReport]:
    """Run the self-test of a site's model in every variant that the adapter can run.

    Args:
        site: The site's folder.
        model_id: Which of its models; needed where it has several.

    Raises:
        UnsupportedError: the site was built without one.
        WebGemmaError: the site is damaged, or there is no adapter.
    """
    model = open_site_model(site, model_id)
    features = adapter_features(choose_adapter())
    reports = []
    for variant in model.program().variants:
        if not set(variant.requires) <= features:
            continue
        errors = run_self_test(model, variant)
        if not errors:
            raise UnsupportedError(f"{site}: got a site without a self-test. Build it again.")
        worst = max(errors, key=lambda error: error.is_wrong or error.error / error.max_error)
        is_right = not any(error.is_wrong for error in errors)
        reports.append(VariantReport(variant.name, worst.buffer, worst.error, is_right))
    return reports


def describe_kernels(reports: Sequence[VariantReport]) -> str:
    """Say which variants compute what they should."""
    rows = [
        (r.variant, "right" if r.is_right else "WRONG", f"{r.worst} is off by {r.error:.1e}")
        for r in reports
    ]
    return format_table(rows)


def best_variant(adapter: Any) -> str:
    """Return the name of the variant that a session would choose on this adapter."""
    features = adapter_features(adapter)
    return choose_variant(VARIANTS, features, kinds=adapter_kinds(adapter)).name


def find_browser() -> str | None:
    """Return the path of an installed browser that has WebGPU, as far as one can tell."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None and sys.platform == "darwin":
        apps = (Path(f"/Applications/{name}.app") for name in MAC_BROWSERS)
        found = next((str(app) for app in apps if app.exists()), None)
    return found


def _examine_adapter(adapter: Any, chosen: Any) -> AdapterReport:
    info = adapter.info
    return AdapterReport(
        name=str(info["device"]),
        backend=str(info["backend_type"]),
        kind=str(info["adapter_type"]),
        features=sorted(adapter_features(adapter)),
        limits={name: int(adapter.limits[name]) for name in BROWSER_LIMITS},
        short_limits=_short_limits(adapter.limits),
        is_chosen=chosen is not None and _same(info, chosen.info),
    )


def _same(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    keys = ("device", "backend_type", "adapter_type", "vendor_id", "device_id")
    return all(a.get(key) == b.get(key) for key in keys)


def _short_limits(limits: Mapping[str, int]) -> list[str]:
    return [
        f"{name} {limits[name]:,} of {need:,}"
        for name, need in BROWSER_LIMITS.items()
        if limits[name] < need
    ]


def describe(report: DoctorReport) -> str:
    """Say what was found."""
    blocks = [f"webgemma {report.version}, Python {sys.version.split()[0]}"]
    blocks += [_describe_adapter(adapter) for adapter in report.adapters]
    if not report.adapters:
        blocks.append("No GPU adapter.")
    blocks.append(format_table(_verdict(report)))
    return "\n\n".join(blocks)


def _describe_adapter(adapter: AdapterReport) -> str:
    title = f"{adapter.name}: {adapter.backend}, {adapter.kind}"
    rows = [("  features", ", ".join(adapter.features) or "none that webgemma has use for")]
    for name, need in BROWSER_LIMITS.items():
        have = adapter.limits[name]
        note = "" if have == need else f"  (WebGPU's default: {_show(name, need)})"
        rows.append((f"  {name}", _show(name, have) + note))
    return title + (" (chosen)\n" if adapter.is_chosen else "\n") + format_table(rows)


def _show(name: str, value: int) -> str:
    is_bytes = name.endswith("-size") and value % 1024 == 0
    if is_bytes and value >= MIB:
        return f"{value / MIB:.0f} MiB"
    return f"{value // 1024} KiB" if is_bytes else f"{value:,}"


def _verdict(report: DoctorReport) -> list[tuple[str, str]]:
    native = f"runs, with the {report.variant} shaders" if report.variant else "does not run"
    rows = [("webgemma run", native)]
    if report.problem:
        rows.append(("  because", report.problem))
    browser = report.browser or "none found (Debian: apt install chromium)"
    rows.append(("browser", browser))
    if report.browser and os.environ.get("DISPLAY") is None and sys.platform == "linux":
        rows.append(("", "no display: headless only, with --enable-unsafe-webgpu for WebGPU"))
    return rows
