"""The jinja2 environment of the shaders: a template and its numbers -> WGSL text.

Delimiters never clash with WGSL: `{{ x }}`, `{$ include "x" $}`, line statements `$$ if`.
Values are numbers, booleans and fixed words from validated dataclasses; no string of a model file
reaches a shader.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, TypeVar

import jinja2

from webgemma.errors import ProgramError
from webgemma.resources import data_folder

BINDING = re.compile(
    r"^@group\(0\) @binding\((\d+)\) "
    r"var(?:<(uniform|storage, read|storage, read_write)>)?\s+(\w+)\s*:",
    re.MULTILINE,
)
BINDING_TYPES = {
    "uniform": "uniform",
    "storage, read": "read-only-storage",
    "storage, read_write": "storage",
    "": "matrix",  # the only textures
}


T = TypeVar("T")

SHAPE = "shape"
"""The binding of numbers that other texts of a kernel have as constants: see shape.wgsl.jinja."""
SHAPE_FIELDS = re.compile(r"^struct Shape \{ (.+) \}$", re.MULTILINE)
SHAPE_ACCESS = re.compile(r"shape\.(?=[A-Z])")
BLANK_LINES = re.compile(r"\n\n\n+")
MOST_TEXTS = 1024  # of some 15 kB: what the models of a page have in common is rendered once


@dataclass(frozen=True, slots=True)
class Binding:
    """One binding of a kernel, as its WGSL declares it; `type` as WebGPU names it, or "matrix"."""

    name: str
    type: str


@cache
def environment() -> jinja2.Environment:
    """The environment all shader templates are rendered in."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(data_folder("shaders")),
        block_start_string="{$",
        block_end_string="$}",
        line_statement_prefix="$$",
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
        auto_reload=False,  # thousands of templates are included in a build: files stay as they are
    )


def render(template: str, params: Mapping[str, Any]) -> str:
    """Render `shaders/<template>.wgsl.jinja` with `params`: values as JSON has them.

    Raises:
        ProgramError: the template misses a parameter or is not valid; names template and line.
    """
    return _rendered(template, json.dumps(params))


@lru_cache(MOST_TEXTS)
def _rendered(template: str, params: str) -> str:
    try:
        text = environment().get_template(f"{template}.wgsl.jinja").render(json.loads(params))
    except jinja2.TemplateError as error:
        line = getattr(error, "lineno", None)
        msg = f"shader template {template}.wgsl.jinja, line {line}: {error}"
        raise ProgramError(msg) from error
    if not SHAPE_FIELDS.search(text):
        # Scalars: WebKit had no constants of structs in 2024 (Source/WebGPU/WGSL/TypeCheck.cpp).
        text = SHAPE_ACCESS.sub("", text)
    return BLANK_LINES.sub("\n\n", text)


@lru_cache(MOST_TEXTS)
def parse_bindings(wgsl: str) -> tuple[Binding, ...]:
    """The bindings a shader declares, in the order of their numbers.

    Raises:
        ProgramError: the numbers are not 0, 1, 2, ...
    """
    found = sorted((int(n), kind, name) for n, kind, name in BINDING.findall(wgsl))
    numbers = [number for number, _, _ in found]
    if numbers != list(range(len(found))):
        msg = f"shader bindings: got numbers {numbers}, expected 0 to {len(found) - 1}."
        raise ProgramError(msg)
    return tuple(Binding(name, BINDING_TYPES[kind]) for _, kind, name in found)


def shape_words(wgsl: str, constant: str, constants: Mapping[str, T]) -> list[T | int]:
    """What the words of `shape` are for a text that binds it.

    Args:
        wgsl: The text.
        constant: The kernel's text for GPUs, which has them as constants.
        constants: The kernel's override constants by name, 0 by default.

    Raises:
        ProgramError: the text takes a number that the other neither has nor declares.
    """
    fields = SHAPE_FIELDS.search(wgsl)
    assert fields is not None
    names = [field.split(":")[0] for field in fields[1].split(", ")]
    numbers = dict(re.findall(r"^const (\w+) = (\d+)u;$", constant, re.MULTILINE))
    words: list[T | int] = []
    for name in names:
        if name in numbers:
            words.append(int(numbers[name]))
        elif f"override {name}:" in constant:
            words.append(constants.get(name, 0))
        else:
            raise ProgramError(f"shader: shape has {name}, the text for GPUs has no such constant")
    return words
