"""What a site serves of the page and the runtime: the same programs as in web/, in few bytes."""

from __future__ import annotations

import gzip
import os
import re
from pathlib import Path

import pytest

from tests.support.node import ROOT, run_node
from webgemma.resources import data_folder
from webgemma.web import ENTRIES, SHARED, WEB_PARTS, copy_web, minified, write_service_worker

SYNTAX_TREES = Path(__file__).parent / "support/ast.mjs"
BODIES = Path(__file__).parent / "support/bodies.mjs"
STRUCTURED = "runtime/structured"
MOST_RUNTIME_NBYTES = 50_000
MOST_PAGE_NBYTES = 95_000  # with the runtime
LICENCE = b"/*! webgemma, Apache-2.0 */"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page and the runtime as a build lays them."""
    folder = tmp_path_factory.mktemp("served")
    copy_web(folder)
    write_service_worker(folder)
    return folder


def need_acorn() -> None:
    """Skip where npm has not installed what `make check` uses."""
    if (ROOT / "node_modules/prettier").is_dir():
        return
    why = "the npm package prettier is not installed (npm install)"
    if os.environ.get("WEBGEMMA_REQUIRE_NODE") == "1":
        pytest.fail(f"{why}, and WEBGEMMA_REQUIRE_NODE=1", pytrace=False)
    pytest.skip(why)


def different(modules: list[tuple[str, str, str]], tmp_path: Path) -> list[str]:
    need_acorn()
    found: list[str] = run_node(SYNTAX_TREES, modules, tmp_path)
    return found


def test_a_served_module_is_the_program_that_web_holds(tmp_path: Path) -> None:
    web = data_folder("web")
    modules = [
        (str(path), path.read_text(), minified(path.read_text()))
        for part in WEB_PARTS
        if part != "vendor"
        for path in [web / part, *(web / part).rglob("*")]
        if path.suffix == ".js"
    ]
    assert len(modules) > 50
    assert different(modules, tmp_path) == []


@pytest.mark.parametrize("structured_output", [False, True])
def test_scripts_are_served_with_their_modules(tmp_path: Path, structured_output: bool) -> None:
    """Every module of web/ stands in one file, as it is written but for its imports and exports."""
    need_acorn()
    web, site = data_folder("web"), tmp_path / "site"
    site.mkdir()
    copy_web(site, structured_output=structured_output)
    scripts = [path for part in ("app", "webgemma") for path in (site / part).rglob("*.js")]
    laid = {path.relative_to(site).as_posix(): path.read_text() for path in scripts}
    assert sorted(laid) == sorted([*ENTRIES, SHARED])
    sources = [*(web / "runtime").rglob("*.js"), *(web / "app").rglob("*.js")]
    modules = [
        path.read_text()
        for path in sources
        if path.parent != web / STRUCTURED or (path.name == "absent.js") != structured_output
    ]
    found = run_node(BODIES, {"modules": modules, "files": list(laid.values())}, tmp_path)
    assert found["count"] > 80
    assert (found["missing"], found["unknown"]) == ([], [])


def test_the_page_names_files_that_are_there(served: Path) -> None:
    named = re.findall(r'(?:href|src)="\./([^"]+)"', (served / "index.html").read_text())
    assert {"app/main.js", "webgemma/index.js", "webgemma/shared.js"} <= set(named)
    assert [name for name in named if not (served / name).is_file()] == []


def test_a_module_that_minifying_would_break_is_noticed(tmp_path: Path) -> None:
    nested = "const a = `x ${y ? `// ${y}` : 1} z`;\nexport const b = a;\n"
    changed = ("changed.js", "export const a = 1;", "export const a = 2;")
    found = different([("nested.js", nested, minified(nested)), changed], tmp_path)
    assert [entry.split(":")[0] for entry in found] == ["nested.js", "changed.js"]


@pytest.mark.parametrize(
    "text",
    [
        "class A {\n  #x = 1;\n  static async *g(a) { yield* a?.[0] ?? `t ${a} /* b */ // c`; }\n}",
        "const r = /[/\"'`]\\/\\/ x/u.test(y), q = a / b / c; // gone",
        "let x = a\n++b\nconst f = (a) => /x'/.test(a);",
        'for await (const y of z) if (y) /f"/.exec(y);\nlabel: for (;;) break label\n',
    ],
)
def test_what_scripts_are_made_of_survives(text: str, tmp_path: Path) -> None:
    assert different([("module.js", text, minified(text))], tmp_path) == []
    assert "gone" not in minified(text)


def test_licences_stay(served: Path) -> None:
    for path in ("webgemma/index.js", "webgemma/worker.js", "app/main.js", "sw.js"):
        assert (served / path).read_bytes().startswith(LICENCE)
    web = data_folder("web")
    assert (served / "vendor/marked.js").read_bytes() == (web / "vendor/marked.js").read_bytes()


def sizes(folder: Path) -> dict[str, int]:
    """Path -> bytes as a host sends it, each file gzipped by itself; no licences, no types."""
    return {
        path.relative_to(folder).as_posix(): len(gzip.compress(path.read_bytes()))
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith((".d.ts", ".LICENSE"))
    }


def test_page_and_runtime_are_small(served: Path) -> None:
    """Other people's modules are counted apart."""
    nbytes = sizes(served)
    vendor = sum(size for path, size in nbytes.items() if path.startswith("vendor/"))
    runtime = sum(size for path, size in nbytes.items() if path.startswith("webgemma/"))
    whole = sum(nbytes.values()) - vendor
    print(f"runtime {runtime:,}, with the page {whole:,}, vendor {vendor:,}")
    assert 0 < runtime <= MOST_RUNTIME_NBYTES
    assert runtime < whole <= MOST_PAGE_NBYTES
