"""Imports point one way: a module imports only what stands in an earlier layer, or its own group.

The table is the architecture. A new module needs a line in it; an import that needs the table
turned round needs a reason in ARCHITECTURE.md.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import webgemma

PACKAGE = Path(webgemma.__file__).parent

# Layers from the ground up; the groups of one layer do not import each other. A group is a module,
# or a package with everything below it, unless a longer name below claims a part of it.
LAYERS: tuple[Mapping[str, str], ...] = (
    {
        "webgemma.errors": "everything may raise them, so they import nothing",
        "webgemma.version": "one constant, read by the package's build too",
        "webgemma.table": "text in columns, knows nothing of webgemma",
        "webgemma.scatter": "points on axes as SVG, knows nothing of webgemma",
        "webgemma.progress": "how work reports where it is; any layer may",
        "webgemma.http_headers": "headers that the local server reads and writes",
    },
    {
        "webgemma.checkpoint": "what a source yields: the only thing sources and the rest share",
        "webgemma.layout": "where things lie in a site: shared by its writer and its readers",
        "webgemma.staging": "a folder that appears complete or not at all",
        "webgemma.hosts": "limits of static hosts",
        "webgemma.cache": "the folder for what can be made again",
        "webgemma.tiles": "the order of matrices for software adapters",
        "webgemma.bundle": "joins JavaScript modules, knows nothing of webgemma",
        "webgemma.resources": "finds shaders, web and models in a wheel or a checkout",
    },
    {
        "webgemma.sources": "one reader per file format, yields a Checkpoint",
        "webgemma.tokenizer": "any source's vocabulary becomes one tokenizer.json",
        "webgemma.storage": "how a matrix is stored; knows no model and no GPU",
        "webgemma.program.expr": "the integer expressions of program.json",
        "webgemma.program.choices": "what a tuner may choose of a variant's symbols",
        "webgemma.shaders": "renders WGSL from templates",
        "webgemma.image": "images in, boxes out; knows no model",
        "webgemma.reference": "every kernel in float64 numpy; tests compare the shaders with it",
        "webgemma.web": "the page's files",
    },
    {
        "webgemma.program.spec": "program.json as dataclasses",
        "webgemma.program.plan": "where scratch lies",
        "webgemma.chat": "a chat template becomes data; encodes with the tokenizer",
        "webgemma.structured": "a JSON Schema becomes a grammar, and replies are held to it",
        "webgemma.serve": "the local server; reads the layout only",
        "webgemma.site": "writes the site's folder, knows no model",
    },
    {
        "webgemma.language": "a tokenizer and a chat template for the site; knows no weights",
        "webgemma.program.check": "proves a program; needs no more than the program",
        "webgemma.program.memory": "sums a program's buffers",
        "webgemma.program": "builds a program from steps: spec, plan, storage, shaders",
        "webgemma.runtime": "executes program.json: no model, no quantization, no templates",
    },
    {
        "webgemma.architectures": "one file per model family: lowers a checkpoint to a program",
        "webgemma.doctor": "says what the machine can run",
        "webgemma.program.context": "why a program takes a shorter context than its model",
    },
    {"webgemma.pack": "streams a checkpoint's tensors into shards"},
    {"webgemma.self_test": "a little of a model's weights, and what its kernels make of it"},
    {
        "webgemma.build": "the pipeline: the one place that sees every stage",
        "webgemma.mlc": "the other pipeline: writes MLC folders",
    },
    {
        "webgemma.demo": "builds the built-in model",
        "webgemma.inspect": "says what a site or a checkpoint is, whether it runs, what it takes",
        "webgemma.bench": "times a site's phases and kernels on this machine",
        "webgemma.evaluate": "scores sites on a text, beside a reference that it may build",
    },
    {"webgemma.cli": "parses, calls, prints"},
    {
        "webgemma.__main__": "python -m webgemma",
        "webgemma": "the public names",
    },
)

STANDARD = {*sys.stdlib_module_names, "_typeshed"}  # _typeshed: for type checkers only

# Third-party package -> the groups that may import it.
THIRD_PARTY = {
    "PIL": {"webgemma.image"},
    "gguf": {"webgemma.storage"},
    "huggingface_hub": {"webgemma.sources"},
    "jinja2": {"webgemma.shaders", "webgemma.chat"},
    "llguidance": {"webgemma.structured"},
    "playwright": {"webgemma.bench"},
    "rich": {"webgemma.progress"},
    "rjsmin": {"webgemma.web"},
    "safetensors": {"webgemma.sources"},
    "sentencepiece": {"webgemma.tokenizer"},
    "tokenizers": {"webgemma.tokenizer"},
    "typer": {"webgemma.cli"},
    "wgpu": {"webgemma.runtime", "webgemma.doctor"},
    "numpy": {
        "webgemma.architectures",
        "webgemma.bench",
        "webgemma.build",
        "webgemma.checkpoint",
        "webgemma.evaluate",
        "webgemma.image",
        "webgemma.mlc",
        "webgemma.pack",
        "webgemma.reference",
        "webgemma.runtime",
        "webgemma.self_test",
        "webgemma.sources",
        "webgemma.storage",
        "webgemma.structured",
        "webgemma.tiles",
        "webgemma.tokenizer",
    },
}

# What must not be loaded, directly or through others, when a module is imported.
NEVER_LOADED = {
    "webgemma.runtime.session": (
        "jinja2",
        "gguf",
        "safetensors",
        "webgemma.architectures",
        "webgemma.shaders",
        "webgemma.sources",
        "webgemma.storage",
    ),
    "webgemma.cli": ("numpy", "wgpu", "tokenizers", "jinja2", "rich"),
    "webgemma": ("numpy", "wgpu", "typer"),
}

RANKS = {group: rank for rank, layer in enumerate(LAYERS) for group in layer}


def group_of(module: str) -> str | None:
    """Return the longest name in the table that `module` is or lies below."""
    if module == "webgemma":
        return module
    below = [g for g in RANKS if g != "webgemma" and (module == g or module.startswith(g + "."))]
    return max(below, key=len, default=None)


def imported_names(tree: ast.AST, package: str, modules: set[str]) -> Iterator[str]:
    """Yield the full name of every module that a file imports, wherever in the file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join(parts if node.level else []) or ""
            base = ".".join(filter(None, (base, node.module)))
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield full if full in modules else base


def read_imports(root: Path, name: str) -> dict[str, set[str]]:
    """Return module -> what it imports, for every module below the package folder `root`."""
    paths = {}
    for path in root.rglob("*.py"):
        parts = [name, *path.relative_to(root).with_suffix("").parts]
        paths[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    modules = set(paths)
    return {
        module: set(
            imported_names(
                ast.parse(path.read_text(encoding="utf-8")),
                module if path.name == "__init__.py" else module.rpartition(".")[0],
                modules,
            )
        )
        for module, path in paths.items()
    }


def find_faults(imports: Mapping[str, set[str]]) -> list[str]:
    """Return every import that the tables do not allow."""
    faults = []
    for module, targets in sorted(imports.items()):
        group = group_of(module)
        if group is None:
            faults.append(f"{module} has no layer")
            continue
        for target in sorted(targets):
            top = target.partition(".")[0]
            if top == "webgemma":
                faults += find_wrong_arrow(module, group, target)
            elif top not in STANDARD and group not in THIRD_PARTY.get(top, set()):
                faults.append(f"{module} imports {top}, which {group} may not")
    return faults


def find_wrong_arrow(module: str, group: str, target: str) -> list[str]:
    """Return why one import within the package is wrong, if it is."""
    other = group_of(target)
    if other is None:
        return [f"{module} imports {target}, which has no layer"]
    if other == group or RANKS[other] < RANKS[group]:
        return []
    return [f"{module} (layer {RANKS[group]}) imports {target} (layer {RANKS[other]})"]


def find_cycle(imports: Mapping[str, set[str]]) -> list[str]:
    """Return the modules of one import cycle; empty if there is none."""
    done: set[str] = set()

    def visit(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        for target in sorted(imports.get(module, ())):
            found = visit(target, [*path, module]) if target != module else []
            if found:
                return found
        done.add(module)
        return []

    return next(filter(None, (visit(module, []) for module in sorted(imports))), [])


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    return read_imports(PACKAGE, "webgemma")


def test_imports_point_one_way(imports: dict[str, set[str]]) -> None:
    assert find_faults(imports) == []


def test_no_module_imports_itself_through_others(imports: dict[str, set[str]]) -> None:
    assert find_cycle(imports) == []


def test_every_line_of_the_tables_is_in_use(imports: dict[str, set[str]]) -> None:
    used_groups = {group_of(module) for module in imports}
    assert sorted(set(RANKS) - used_groups) == []


@pytest.mark.parametrize("module", NEVER_LOADED)
def test_light_modules_do_not_load_heavy_ones(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert [name for name in NEVER_LOADED[module] if name in loaded] == []


# The test of the test: a small package with one fault of each kind.


def write_package(root: Path, files: Mapping[str, str]) -> dict[str, set[str]]:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return read_imports(root, "webgemma")


def test_a_wrong_arrow_is_found(tmp_path: Path) -> None:
    imports = write_package(
        tmp_path,
        {
            "__init__.py": "",
            "errors.py": "def f():\n    from webgemma import cli",
            "runtime/session.py": "import jinja2\nfrom webgemma.architectures.gemma import lower",
            "runtime/runner.py": "from .. import storage\nfrom ..program.expr import evaluate",
            "storage/__init__.py": "import wgpu.backends, numpy as np, os.path",
            "program/expr.py": "from webgemma.errors import ProgramError",
            "architectures/gemma.py": "from webgemma.storage import x",
            "surprise.py": "",
            "cli.py": "from webgemma.surprise import x\nimport typer",
        },
    )
    assert find_faults(imports) == [
        "webgemma.cli imports webgemma.surprise, which has no layer",
        f"webgemma.errors (layer 0) imports webgemma.cli (layer {RANKS['webgemma.cli']})",
        "webgemma.runtime.session imports jinja2, which webgemma.runtime may not",
        "webgemma.runtime.session (layer 4) imports webgemma.architectures.gemma (layer 5)",
        "webgemma.storage imports wgpu, which webgemma.storage may not",
        "webgemma.surprise has no layer",
    ]


def test_a_cycle_is_found(tmp_path: Path) -> None:
    imports = write_package(
        tmp_path,
        {
            "__init__.py": "",
            "storage/__init__.py": "",
            "storage/a.py": "from webgemma.storage import b",
            "storage/b.py": "from webgemma.storage.c import x",
            "storage/c.py": "from . import a",
        },
    )
    assert find_faults(imports) == []
    assert find_cycle(imports) == [
        "webgemma.storage.a",
        "webgemma.storage.b",
        "webgemma.storage.c",
        "webgemma.storage.a",
    ]
