"""A GPU that computes wrong numbers is found out before any weights are fetched."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from webgemma.serve import SiteServer, serving

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.slow]

LOAD = """async (options) => {
  const { Engine } = await import("/webgemma/index.js");
  try {
    const engine = await Engine.load("/models/pebble/", { selfTest: "always", ...options });
    const { variant, self_test } = engine.info;
    await engine.unload();
    return [variant, self_test];
  } catch (error) {
    return [error.name, error.message];
  }
}"""
# The self-test alone: compiling a whole model takes long on a software adapter.
TRY = """async (names) => {
  const { fetchJson, fetchManifest, fetchText } = await import("/webgemma/files.js");
  const { chooseByTest } = await import("/webgemma/self-test.js");
  const base = new URL("/models/pebble/", location.href);
  const manifest = await fetchManifest(base);
  const { variants } = await fetchJson(base, "program.json", manifest);
  const candidates = variants.filter(({ name }) => names.includes(name));
  const readShader = (file) => fetchText(base, file, manifest);
  return (await chooseByTest(base, manifest, candidates, readShader, {})).report;
}"""


@pytest.fixture
def site(pebble: SiteServer, tmp_path: Path) -> Path:
    """A copy of the built-in model's site that a test may change."""
    return Path(shutil.copytree(pebble.root, tmp_path / "site"))


def change(site: Path, name: str, edit: Callable[[bytes], bytes]) -> None:
    """Change a file of the model, and what the manifest says of it."""
    folder = site / "models/pebble"
    data = edit((folder / name).read_bytes())
    (folder / name).write_bytes(data)
    manifest = json.loads((folder / "webgemma.json").read_text())
    entry = {"nbytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    manifest["files"][name] = entry
    (folder / "webgemma.json").write_text(json.dumps(manifest))


def wrong(shader: bytes) -> bytes:
    """A shader as a bad driver would run it: a lane gets what another should have."""
    right = b"lane == turn / 2u"
    assert right in shader
    return shader.replace(right, b"lane == ((turn / 2u) ^ 1u)")


def test_right_kernels_pass_and_a_wrong_variant_is_passed_over(site: Path, open_page: Any) -> None:
    with serving(site) as server:
        page = open_page(server).engine()
        assert page.evaluate(TRY, ["software", "f32"]) == {"passed": "software", "failed": []}
        change(site, "shaders/self-test.matvec.f16.subgroups.software.wgsl", wrong)
        report = page.evaluate(TRY, ["software", "f32"])
    assert report["passed"] == "f32"
    (failed,) = report["failed"]
    assert failed["variant"] == "software"
    assert failed["reason"].startswith("matvec.f16 is off by ")


def test_a_gpu_that_is_always_wrong_is_refused_before_the_download(
    site: Path, open_page: Any
) -> None:
    change(site, "self-test.bin", lambda data: data[:-4] + b"\0\0\x80\x7f")  # an answer: infinity
    with serving(site) as server:
        page = open_page(server).engine()
        requests: list[str] = []
        page.context.on("request", lambda request: requests.append(request.url))
        name, message = page.evaluate(LOAD, {"variant": "f32"})
    assert name == "GpuError"
    assert message == (
        "this GPU or its driver computes wrong numbers (f32: attention_combine is off by NaN). "
        "Nothing was downloaded. Update the browser and the graphics driver, or use another device."
    )
    assert [url for url in requests if url.endswith("self-test.bin")]
    assert not [url for url in requests if "params_shard_" in url]


def test_a_site_without_a_self_test_and_a_software_adapter_load(
    tiny_site: Path, open_page: Any
) -> None:
    with serving(tiny_site) as server:
        page = open_page(server).engine()
        for wanted in ("always", "auto"):
            script = LOAD.replace("/models/pebble/", "/models/tiny/")
            assert page.evaluate(script, {"selfTest": wanted}) == ["subgroups", None]


@pytest.mark.long
def test_a_model_runs_in_the_variant_that_passed(site: Path, open_page: Any) -> None:
    change(site, "shaders/self-test.matvec.f16.subgroups.software.wgsl", wrong)
    with serving(site) as server:
        variant, report = open_page(server).engine().evaluate(LOAD)
    assert variant == report["passed"] == "subgroups"
