"""Joins the modules of a site's scripts into a few files, so that a browser need not ask for each.

A page of a hundred small modules is found import by import, level by level, each a request. Here
every module becomes a function that runs once, behind those that it imports, and gives back what it
exports. What several scripts import lies in one file more, which they share; a script's own module
comes last in its file and stays a module, with its exports and its awaits.

It takes what web/ is written in: named imports and exports at the start of a line, no circles, and
no awaits outside functions but in a script's own module.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

_IMPORT = re.compile(r'^import (?:\{([^}]*)\} from )?"(\.[^"]+)";\n', re.MULTILINE)
_REEXPORT = re.compile(r'^export \{([^}]*)\} from "(\.[^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*?|class|const) (\w+))", re.MULTILINE)
_STATEMENT = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)
_LICENCE = re.compile(r"\A/\*!.*?\*/\n", re.DOTALL)


def bundle(scripts: Sequence[Path], shared: Path) -> dict[Path, str]:
    """Join the modules that scripts import.

    Args:
        scripts: Their own modules; a script may import another, which stays where it is.
        shared: Where what several of them import is to lie, which is no module yet.

    Returns:
        The texts to put in the scripts' places, and that of `shared`. Licence comments come first.

    Raises:
        ValueError: modules import each other in a circle, or are not written as this takes them.
    """
    graph = _Graph([path.resolve() for path in scripts], shared.resolve())
    texts = {path: graph.script(path.resolve()) for path in scripts}
    return {**texts, shared: graph.common()}


@dataclass(frozen=True, slots=True)
class _Module:
    path: Path
    text: str

    @property
    def imports(self) -> list[Path]:
        """What it imports and exports again, in its order."""
        found = [*_IMPORT.finditer(self.text), *_REEXPORT.finditer(self.text)]
        found.sort(key=re.Match.start)
        return [self.find(match[2]) for match in found]

    def find(self, target: str) -> Path:
        """The module that an import names."""
        return (self.path.parent / target).resolve()


class _Graph:
    """Scripts and all that they import."""

    def __init__(self, scripts: list[Path], shared: Path) -> None:
        self.scripts = scripts
        self.shared = shared
        self.modules: dict[Path, _Module] = {}
        orders = [list(self.order(script)) for script in scripts]
        uses = Counter(path for order in orders for path in order if path not in scripts)
        self.orders = dict(zip(scripts, orders, strict=True))
        self.is_common = {path: count > 1 for path, count in uses.items()}
        self.names = {path: f"module{i}" for i, path in enumerate(self.modules)}

    def order(self, script: Path) -> Iterable[Path]:
        """What a script is made of, each once, behind what it imports; the script last."""
        found: dict[Path, None] = {}
        self._add(script, [], found)
        return found

    def _add(self, path: Path, above: list[Path], found: dict[Path, None]) -> None:
        """Add a module that has not been found, behind what it imports."""
        if path in above:
            circle = [*above[above.index(path) :], path]
            raise ValueError(f"modules import each other: {' -> '.join(p.name for p in circle)}")
        for target in self._module(path).imports:
            if target in self.scripts:
                self._module(target)
            elif target not in found:
                self._add(target, [*above, path], found)
        found[path] = None

    def _module(self, path: Path) -> _Module:
        """A module, read once."""
        if path not in self.modules:
            self.modules[path] = _Module(path, path.read_text(encoding="utf-8"))
        return self.modules[path]

    def script(self, path: Path) -> str:
        """The file of a script."""
        joined = [p for p in self.orders[path][:-1] if not self.is_common[p]]
        needed = {target for p in (*joined, path) for target in self.modules[p].imports}
        head = self._imports_of_scripts(path, needed) + self._import_of_common(path, needed)
        own = self.modules[path].text
        licence = _LICENCE.match(own)
        own = _IMPORT.sub(lambda found: self._constants(path, found), own)
        own = _REEXPORT.sub(lambda found: self._re_exports(path, found), own)
        first = licence[0] if licence else ""
        return first + head + self._functions(joined, path) + own[len(first) :]

    def common(self) -> str:
        """The file that scripts share."""
        found = dict.fromkeys(chain.from_iterable(self.orders.values()))
        paths = [path for path in found if self.is_common.get(path)]
        names = ", ".join(self.names[path] for path in paths)
        return f"{self._functions(paths, self.shared)}export {{ {names} }};\n"

    def _imports_of_scripts(self, path: Path, needed: set[Path]) -> str:
        return "".join(
            f'import * as {self.names[target]} from "{_relative(target, path)}";\n'
            for target in self.scripts
            if target in needed
        )

    def _import_of_common(self, path: Path, needed: set[Path]) -> str:
        names = [name for p, name in self.names.items() if p in needed and self.is_common.get(p)]
        if not names:
            return ""
        return f'import {{ {", ".join(names)} }} from "{_relative(self.shared, path)}";\n'

    def _functions(self, paths: Iterable[Path], file: Path) -> str:
        return "".join(self._function(path, file) for path in paths)

    def _function(self, path: Path, file: Path) -> str:
        """A module as a function that runs once, in a file."""
        body = _IMPORT.sub(lambda found: self._constants(path, found), self.modules[path].text)
        exported = ", ".join(_EXPORT.findall(body))
        body = _EXPORT.sub("", body)
        left = _STATEMENT.search(body)
        if left:
            raise ValueError(f"{path.name}: got '{left[0]}', which bundle.py does not take")
        if path.parent != file.parent:
            here = f'new URL("{_relative(path, file)}", import.meta.url).href'
            body = body.replace("import.meta.url", here)
        return f"const {self.names[path]} = (() => {{\n{body}return {{ {exported} }};\n}})();\n"

    def _constants(self, path: Path, found: re.Match[str]) -> str:
        """What stands in an import's place."""
        pairs = ", ".join(": ".join(part) for part in _parts(found[1] or ""))
        name = self.names[self.modules[path].find(found[2])]
        return f"const {{ {pairs} }} = {name};\n" if pairs else ""

    def _re_exports(self, path: Path, found: re.Match[str]) -> str:
        names = ", ".join(part[-1] for part in _parts(found[1]))
        return f"{self._constants(path, found)}export {{ {names} }};\n"


def _parts(names: str) -> Iterator[list[str]]:
    """Yield [name] or [name, alias] of everything between the braces of an import or export."""
    for part in names.split(","):
        if part.strip():
            yield part.strip().split(" as ")


def _relative(target: Path, file: Path) -> str:
    """A module as an import in another file names it."""
    relative = Path(os.path.relpath(target, file.parent)).as_posix()
    return relative if relative.startswith(".") else f"./{relative}"
