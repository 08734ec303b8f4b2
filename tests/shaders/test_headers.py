"""Every kernel's header is complete, and no shader file enables features itself."""

from __future__ import annotations

import re
from itertools import takewhile
from pathlib import Path

import pytest

from webgemma import reference
from webgemma.resources import data_folder

SHADERS = sorted(data_folder("shaders").glob("*.wgsl.jinja"))
KERNELS = [
    path
    for path in SHADERS
    if "@group(0)" in path.read_text("utf-8") and not path.read_text("utf-8").startswith("{#")
]
"""Those that bind something; macros are in files that begin with a comment of jinja."""
FIELDS = ("inputs", "outputs", "params", "dispatch", "requires", "checked")


@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.name)
def test_header(path):
    text = path.read_text(encoding="utf-8")
    name = path.name.removesuffix(".wgsl.jinja")
    assert text.startswith(f"// {name} — ")
    header = "\n".join(takewhile(lambda line: line.startswith("//"), text.splitlines()))
    for field in FIELDS:
        assert re.search(rf"^// {field}\s+\S", header, re.MULTILINE), f"no field {field}"
    if "matrix.binding(" in text:
        assert re.search(r"^// weights\s+\S", header, re.MULTILINE)
    bindings = re.findall(r"var<(?:uniform|storage[^>]*)>\s+(\w+)\s*:", text)
    for binding in bindings:
        assert re.search(rf"\b{binding}\b", header), f"the header does not name {binding}"
    checked = re.search(r"^// checked\s+(\S+) against reference\.(\w+)", header, re.MULTILINE)
    assert checked
    assert (Path(__file__).parents[2] / checked[1]).is_file(), checked[1]
    assert hasattr(reference, checked[2]), checked[2]


@pytest.mark.parametrize("path", SHADERS, ids=lambda path: path.name)
def test_no_directives(path):
    assert not re.search(r"^\s*(enable|requires|diagnostic)\b.*;", path.read_text("utf-8"), re.M)
