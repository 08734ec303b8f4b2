from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from webgemma.build import build_site
from webgemma.doctor import VariantReport, best_variant, describe_kernels
from webgemma.resources import built_in_model
from webgemma.runtime.device import NATIVE_FEATURES


@dataclass
class FakeAdapter:
    features: set[str]
    info: dict[str, str]


@pytest.mark.parametrize(
    ("kind", "device", "features", "variant"),
    [
        ("DiscreteGPU", "a card", set(), "f32"),
        ("DiscreteGPU", "a card", {"subgroups"}, "subgroups"),
        ("IntegratedGPU", "a chip", {"shader-f16"}, "f16"),
        ("IntegratedGPU", "a chip", {"shader-f16", "subgroups"}, "f16+subgroups"),
        ("CPU", "SwiftShader", {"shader-f16", "subgroups"}, "software"),
        ("CPU", "llvmpipe (LLVM 15.0.6, 256 bits)", {"subgroups"}, "lavapipe"),
        ("CPU", "llvmpipe", {"shader-f16"}, "f16"),
        ("CPU", "SwiftShader", set(), "f32"),
    ],
)
def test_the_variant_is_the_best_for_the_adapter(
    kind: str, device: str, features: set[str], variant: str
) -> None:
    native = {NATIVE_FEATURES[feature] for feature in features}
    assert best_variant(FakeAdapter(native, {"adapter_type": kind, "device": device})) == variant


def doctor(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "webgemma", "doctor", *arguments],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="hides the Vulkan drivers of Linux")
def test_without_an_adapter_and_a_browser_nothing_can_run(tmp_path: Path) -> None:
    hidden = {"VK_DRIVER_FILES": str(tmp_path), "VK_ICD_FILENAMES": str(tmp_path)}
    result = doctor(**hidden, PATH=str(tmp_path))
    assert result.returncode == 1
    assert "webgemma run  does not run\n" in result.stdout
    assert "  because     no GPU adapter: got none with Vulkan, Metal or D3D12" in result.stdout
    assert "browser       none found (Debian: apt install chromium)" in result.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="hides the Vulkan drivers of Linux")
def test_a_browser_alone_is_enough(tmp_path: Path) -> None:
    hidden = {"VK_DRIVER_FILES": str(tmp_path), "VK_ICD_FILENAMES": str(tmp_path)}
    browser = tmp_path / "chromium"
    browser.touch(mode=0o755)
    result = doctor("--json", **hidden, PATH=str(tmp_path))
    report = json.loads(result.stdout)
    assert result.returncode == 0
    assert (report["variant"], report["browser"]) == (None, str(browser))


@pytest.mark.gpu
def test_the_kernels_of_a_site_are_tried(tmp_path: Path) -> None:
    site = tmp_path / "site"
    build_site(built_in_model(), site, model_id="pebble")
    result = doctor(str(site), "--json")
    assert result.returncode == 0
    kernels = json.loads(result.stdout)["kernels"]
    assert "f32" in [kernel["variant"] for kernel in kernels]
    assert all(kernel["is_right"] and 0 < kernel["error"] < 1e-4 for kernel in kernels)
    data = site / "models/pebble/self-test.bin"
    data.write_bytes(data.read_bytes()[:-1] + b"\x7f")
    assert "self-test.bin: got SHA-256 " in doctor(str(site)).stderr


def test_wrong_kernels_are_shown() -> None:
    reports = [
        VariantReport("f16", "matvec.q4_0", 0.25, is_right=False),
        VariantReport("f32", "attention", 1e-14, is_right=True),
    ]
    assert describe_kernels(reports).splitlines() == [
        "f16  WRONG  matvec.q4_0 is off by 2.5e-01",
        "f32  right  attention is off by 1.0e-14",
    ]
