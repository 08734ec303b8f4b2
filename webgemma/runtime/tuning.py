"""What a tuner's search found, and the variant that follows. Twin: web/runtime/tuning.js.

A file for each program, by its SHA-256, holds for each adapter and variant what was taken of every
group and what was tried. It is a hint and no more: what cannot be read, or is no choice of the
program's, is as if nothing had been measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from webgemma.cache import cache_folder
from webgemma.program.choices import Choice
from webgemma.program.spec import Variant

FASTER = 0.95
"""Of the time of what is taken so far: what is not clearly faster may be so by chance."""
ADAPTER_FIELDS = ("vendor", "architecture", "device", "description")

Findings = dict[str, dict[str, Any]]
"""Group -> {"taken": a choice's name, "tried": [names]}."""


def choice_name(choice: Choice) -> str:
    """How a choice is called in files and tables: its symbols and their values."""
    return " ".join(f"{symbol}={value}" for symbol, value in choice.items())


def tuned_variant(variant: Variant, findings: Mapping[str, Any]) -> Variant:
    """The variant with the choices that were taken, of those that it has."""
    symbols = dict(variant.symbols)
    for group, choices in variant.tuning.items():
        taken = findings.get(group, {}).get("taken")
        symbols |= next((choice for choice in choices if choice_name(choice) == taken), {})
    return replace(variant, symbols=symbols)


def running_choices(variant: Variant) -> dict[str, str]:
    """Group -> the name of the choice that a variant's symbols are of."""
    return {
        group: next(
            (choice_name(c) for c in choices if c.items() <= variant.symbols.items()),
            choice_name(choices[0]),
        )
        for group, choices in variant.tuning.items()
    }


def checked_findings(data: object) -> Findings:
    """What has the form of findings, of what was read."""
    groups = data.items() if isinstance(data, dict) else ()
    return {
        group: {"taken": found["taken"], "tried": found["tried"]}
        for group, found in groups
        if isinstance(found, dict)
        and isinstance(found.get("taken"), str)
        and isinstance(found.get("tried"), list)
    }


def recall(program_sha256: str, adapter: Any, variant: Variant) -> Findings:
    """What was found on an adapter; nothing where nothing was, or it cannot be read."""
    content = _read(_file(program_sha256))
    return checked_findings(content.get(adapter_key(adapter.info, variant)))


def remember(program_sha256: str, adapter: Any, variant: Variant, findings: Findings) -> None:
    """Keep what was found; a folder that cannot be written to keeps nothing."""
    file = _file(program_sha256)
    content = {**_read(file), adapter_key(adapter.info, variant): findings}
    with suppress(OSError):
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(content), encoding="utf-8")


def adapter_key(info: Mapping[str, Any], variant: Variant) -> str:
    """What findings hold for: one adapter, one variant."""
    parts = [*(str(info.get(name, "")) for name in ADAPTER_FIELDS), variant.name]
    return json.dumps(parts)


def _file(program_sha256: str) -> Path:
    return cache_folder() / "tuning" / f"{program_sha256}.json"


def _read(file: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        content = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(content, dict):
            return content
    return {}
