"""Chromium's own compiler takes every shader of the f32, subgroups and software variants."""

from __future__ import annotations

import pytest

from tests.support.programs import all_programs

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

COMPILE = """async (shaders) => {
  const adapter = await navigator.gpu.requestAdapter();
  const device = await adapter.requestDevice({ requiredFeatures: ["subgroups"] });
  const failed = [];
  for (const [name, code] of shaders) {
    const info = await device.createShaderModule({ code }).getCompilationInfo();
    const messages = info.messages.map((m) => `${m.lineNum}: ${m.message}`);
    if (messages.length) failed.push([name, messages]);
  }
  device.destroy();
  return failed;
}"""


def test_every_shader_compiles(pebble, open_page, fixtures):
    texts = {}
    for program, shaders in all_programs(fixtures):
        for kernel in program.kernels.values():
            for variant in ("f32", "subgroups", "software"):
                shader = kernel.shaders[variant]
                directive = "enable subgroups;\n" if shader.requires else ""
                texts[directive + shaders[shader.file]] = shader.file
    watched = open_page(pebble)
    page = watched.engine()
    listed = [[name, text] for text, name in texts.items()]
    print(f"{len(listed)} shaders")
    assert len(listed) > 80
    assert page.evaluate(COMPILE, listed) == []
    watched.check()
    assert page.evaluate(COMPILE, [["broken", "fn main() { oops }"]])[0][0] == "broken"
