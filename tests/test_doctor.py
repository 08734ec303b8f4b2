from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from webgemma.doctor import best_variant


@pytest.mark.parametrize(
    ("features", "variant"),
    [
        (set(), "f32"),
        ({"subgroups"}, "subgroups"),
        ({"shader-f16"}, "f16"),
        ({"shader-f16", "subgroups"}, "f16+subgroups"),
    ],
)
def test_the_variant_is_the_best_that_the_features_allow(features: set[str], variant: str) -> None:
    assert best_variant(features) == variant


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
