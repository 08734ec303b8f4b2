"""Bundles: scripts with their modules in a few files, run by node beside the modules themselves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.node import run_node
from webgemma.bundle import bundle

# Scripts `page` and `tool` share `log` and `deep/names`; `tool` imports the script `page` too.
MODULES = {
    "log.js": "export const log = [];\nlog.push('log');\n",
    "deep/names.js": (
        'import { log } from "../log.js";\n\nlog.push("names");\n'
        "export class Name {\n  constructor(text) {\n    this.text = text;\n  }\n}\n"
        "export async function late(text) {\n  return new Name(text);\n}\n"
        "export function* two() {\n  yield 1;\n  yield 2;\n}\n"
        'export const HERE = new URL("./x.css", import.meta.url).href;\n'
    ),
    "own.js": (
        'import { log as all } from "./log.js";\n'
        'import {\n  HERE,\n  two,\n} from "./deep/names.js";\n'
        'const log = "another of this name";\nall.push("own");\n'
        "export const own = [...two(), HERE.slice(-11), log];\n"
    ),
    "side.js": 'import { log } from "./log.js";\nlog.push("side");\n',
    "page.js": (
        "/*! a licence */\n\n"
        'import "./side.js";\nimport { late } from "./deep/names.js";\n'
        'import { own } from "./own.js";\n'
        "const name = await late('page');\nexport const page = [name.text, ...own];\n"
        'export { Name, two as pair } from "./deep/names.js";\nexport { log } from "./log.js";\n'
    ),
    "deep/tool.js": (
        'import { log } from "../log.js";\nimport { Name, page } from "../page.js";\n'
        'import { late } from "./names.js";\nlog.push("tool");\n'
        "export const isSame = (await late('x')) instanceof Name;\n"
        "export const pages = page.length;\n"
    ),
}
SCRIPTS = ("page.js", "deep/tool.js")
RUN = """
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
const folder = pathToFileURL(JSON.parse(readFileSync(process.argv[2], "utf8")) + "/");
const tool = await import(new URL("deep/tool.js", folder));
const page = await import(new URL("page.js", folder));
const names = [Object.keys(page), Object.keys(tool)];
const values = [page.page, page.log, [...page.pair()], tool.isSame, tool.pages];
console.log(JSON.stringify([...names, ...values]));
"""


def lay(folder: Path, texts: Mapping[str, str]) -> Path:
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return lay(tmp_path / "modules", MODULES)


def joined(folder: Path) -> dict[Path, str]:
    return bundle([folder / name for name in SCRIPTS], folder / "shared.js")


def run(folder: Path, tmp_path: Path) -> object:
    script = tmp_path / "run.mjs"
    script.write_text(RUN)
    (folder / "package.json").write_text('{"type": "module"}')
    return run_node(script, str(folder), tmp_path)


def test_a_bundle_does_what_its_modules_do(folder: Path, tmp_path: Path) -> None:
    before = run(folder, tmp_path)
    log = ["log", "side", "names", "own", "tool"]
    texts = {str(path.relative_to(folder)): text for path, text in joined(folder).items()}
    target = lay(tmp_path / "bundle", texts)
    assert sorted(p.name for p in target.rglob("*.js")) == ["page.js", "shared.js", "tool.js"]
    after = run(target, tmp_path)
    assert isinstance(before, list)
    assert isinstance(after, list)
    assert sorted(before[3]) == sorted(after[3]) == sorted(log)
    assert [*before[:3], *before[4:]] == [*after[:3], *after[4:]]
    assert before[2] == ["page", 1, 2, "/deep/x.css", "another of this name"]


def test_a_module_is_once_where_several_scripts_need_it(folder: Path) -> None:
    texts = {path.name: text for path, text in joined(folder).items()}
    found = {
        name: re.findall(r"class Name|log\.push\(.\w+.\)", text) for name, text in texts.items()
    }
    assert found["shared.js"] == ["log.push('log')", 'log.push("names")', "class Name"]
    assert found["page.js"] == ['log.push("side")']
    assert texts["page.js"].startswith("/*! a licence */\n")
    assert "import * as" not in texts["page.js"]
    assert 'from "../page.js"' in texts["tool.js"]


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("log.js", 'import { own } from "./own.js";\n', "log.js -> own.js -> log.js"),
        ("own.js", "export default 1;\n", "own.js: got 'export default 1;'"),
        ("own.js", 'import log from "./log.js";\n', "own.js: got 'import log from"),
        ("own.js", 'export * from "./log.js";\n', "own.js: got 'export \\* from"),
        ("own.js", "export let own = 1;\n", "own.js: got 'export let own"),
    ],
)
def test_what_it_does_not_take_is_refused(
    folder: Path, name: str, text: str, complaint: str
) -> None:
    (folder / name).write_text(text)
    with pytest.raises(ValueError, match=complaint):
        joined(folder)
