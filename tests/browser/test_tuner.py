"""The tuner in Chromium: every choice computes what it should; what is found is kept, and used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from webgemma.layout import read_manifest
from webgemma.program.spec import VARIANTS
from webgemma.runtime.tuning import choice_name
from webgemma.serve import SiteServer

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.slow]

SOFTWARE = next(variant for variant in VARIANTS if variant.name == "software")
# The choices of a variant, each by itself, through the self-test: at most so many; `spoil` sets
# constants of its kernels.
TRY = """async ([name, limit, spoil]) => {
  const { fetchJson, fetchManifest, fetchText } = await import("/webgemma/files.js");
  const { chooseByTest } = await import("/webgemma/self-test.js");
  const base = new URL("/models/pebble/", location.href);
  const manifest = await fetchManifest(base);
  const { variants } = await fetchJson(base, "program.json", manifest);
  const variant = variants.find((one) => one.name === name);
  const most = Math.max(...Object.values(variant.tuning).map((choices) => choices.length));
  const readShader = async (file) => {
    const text = await fetchText(base, file, manifest);
    return spoil ? text.replaceAll(...spoil) : text;
  };
  const results = [];
  for (let i = 1; i < Math.min(most, limit + 1); i++) {
    const taken = Object.values(variant.tuning).map((choices) => choices[i] ?? {});
    const tuned = { ...variant, symbols: Object.assign({ ...variant.symbols }, ...taken) };
    try {
      results.push((await chooseByTest(base, manifest, [tuned], readShader, {})).report.passed);
    } catch (error) {
      results.push(error.message);
    }
  }
  return results;
}"""
GENERATE = """async (options) => {
  const { Engine } = await import("/webgemma/index.js");
  const engine = await Engine.load("/models/pebble/", options);
  const prompt = Array.from({ length: 80 }, (_, i) => 5 + 7 * i);
  const { token_ids } = await engine.generateTokens(prompt, { maxTokens: 6 });
  const { tuning } = await engine.diagnostics();
  await engine.unload();
  return [token_ids, tuning];
}"""
# Loads, and leaves the engine alone until something was tried. A question ends what is under way:
# longer pauses follow, for machines that take longer to try anything.
WAIT = """async (rounds) => {
  const { Engine } = await import("/webgemma/index.js");
  const engine = await Engine.load("/models/pebble/");
  const count = ({ tuning }) => Object.values(tuning).reduce((n, { tried }) => n + tried.length, 0);
  const before = await engine.diagnostics();
  let after = before;
  for (let i = 0; i < rounds && count(after) === count(before); i++) {
    await new Promise((resolve) => setTimeout(resolve, 2000 * 1.5 ** i));
    after = await engine.diagnostics();
  }
  await engine.unload();
  return [before.tuning, after.tuning];
}"""
ROUNDS = 8  # 98 s
READ = """async (name) => {
  const { openStore } = await import("/webgemma/store/store.js");
  const bytes = await (await openStore()).backend.read(name);
  return bytes && JSON.parse(new TextDecoder().decode(bytes));
}"""
WRITE = """async ([name, text]) => {
  const { openStore } = await import("/webgemma/store/store.js");
  await (await openStore()).backend.write(name, new TextEncoder().encode(text));
}"""

DELETE = """async () => {
  const { deleteStoredModel } = await import("/webgemma/index.js");
  await deleteStoredModel("/models/pebble/");
}"""


def memory_file(server: SiteServer) -> str:
    """The name of the file that findings of the built-in model's program are in."""
    files = read_manifest(Path(server.root) / "models/pebble")["files"]
    return f"tuning-{files['program.json']['sha256']}.json"


@pytest.mark.parametrize("name", ["software", "subgroups", "f32"])
def test_every_choice_passes_the_self_test(pebble: SiteServer, open_page: Any, name: str) -> None:
    passed = open_page(pebble).engine().evaluate(TRY, [name, 100, None])
    assert len(passed) >= 2
    assert set(passed) == {name}


def test_a_choice_that_is_not_followed_fails_it(pebble: SiteServer, open_page: Any) -> None:
    """A kernel whose workgroups lie as if they were of another size leaves rows out."""
    spoil = ["workgroup.x * TEAMS", "workgroup.x * 1u"]
    (failed,) = open_page(pebble).engine().evaluate(TRY, ["f32", 1, spoil])
    assert "computes wrong numbers" in failed


def test_what_is_tried_is_kept(pebble: SiteServer, open_page: Any) -> None:
    page = open_page(pebble).engine()
    before, after = page.evaluate(WAIT, ROUNDS)
    default = {group: choice_name(choices[0]) for group, choices in SOFTWARE.tuning.items()}
    assert before == {group: {"taken": c, "tried": [c]} for group, c in default.items()}
    assert any(len(found["tried"]) > 1 for found in after.values())
    for group, found in after.items():
        names = [choice_name(choice) for choice in SOFTWARE.tuning[group]]
        assert found["tried"] == names[: len(found["tried"])]
        assert found["taken"] in found["tried"]
    ((key, kept),) = page.evaluate(READ, memory_file(pebble)).items()
    assert json.loads(key)[-1] == "software"
    assert kept == after
    again, _ = page.evaluate(WAIT, 0)
    assert again == after
    page.evaluate(DELETE)
    assert page.evaluate(READ, memory_file(pebble)) is None


def test_what_was_taken_is_used_and_damage_is_not(pebble: SiteServer, open_page: Any) -> None:
    page = open_page(pebble).engine()
    tokens, nothing = page.evaluate(GENERATE, {"tune": False})
    assert nothing == {}
    page.evaluate(WRITE, [memory_file(pebble), "{"])
    produced, tuning = page.evaluate(GENERATE, {})
    assert produced == tokens
    assert {group: found["taken"] for group, found in tuning.items()} == {
        group: choice_name(choices[0]) for group, choices in SOFTWARE.tuning.items()
    }
    last = {group: choice_name(choices[-1]) for group, choices in SOFTWARE.tuning.items()}
    page.evaluate(WAIT, ROUNDS)
    content = page.evaluate(READ, memory_file(pebble))
    found = {group: {"taken": name, "tried": [name]} for group, name in last.items()}
    changed = {key: {**found, "gone": {"taken": "x=1", "tried": []}} for key in content}
    page.evaluate(WRITE, [memory_file(pebble), json.dumps(changed)])
    produced, tuning = page.evaluate(GENERATE, {})
    assert produced == tokens
    assert {group: found["taken"] for group, found in tuning.items()} == last
