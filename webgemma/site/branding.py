"""A page of one's own: its title, accent, logo, greeting and prompts, from options or a small file.

title = "Ask the library"
accent = "#7a3e9d"
logo = "logo.svg"
greeting = "What are you looking for?"
prompts = ["Who wrote Middlemarch?", "A poem about autumn"]
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from webgemma.errors import ConfigError
from webgemma.site.contrast import DARK, LEAST_CONTRAST, LIGHT, Accent, fit_accent, parse_colour
from webgemma.site.logo import Logo, read_logo

MAX_FILE_NBYTES = 64 << 10
MAX_TITLE = 60  # characters
MAX_GREETING = 120
MAX_PROMPT = 200
MAX_PROMPTS = 8


@dataclass(frozen=True, slots=True)
class Branding:
    """What makes a page one's own; None and () leave it as it is."""

    title: str | None = None
    accent: str | None = None
    """A colour, `#rrggbb`; made darker or lighter where it could not be read."""
    logo: str | Path | None = None
    """A PNG or SVG file."""
    greeting: str | None = None
    """Stands above an empty chat, in place of the model's name."""
    prompts: tuple[str, ...] = ()
    """Things to ask, in place of the model's own."""


@dataclass(frozen=True, slots=True)
class CheckedBranding:
    """Branding that can be shown."""

    words: dict[str, Any]
    """What branding.json says."""
    logo: Logo | None
    accents: tuple[Accent, Accent] | None
    """In light and in dark."""
    warnings: list[str]


def read_branding(path: str | Path) -> Branding:
    """Read a file of branding: TOML, or JSON with the same names.

    Raises:
        ConfigError: there is no such file, it is neither, or it has other keys or types.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_FILE_NBYTES:
            raise ConfigError(f"{path}: got more than {MAX_FILE_NBYTES:,} bytes of branding.")
        text = path.read_text(encoding="utf-8")
        found = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}. Check the path.") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{path}: got text that is not {'JSON' if path.suffix == '.json' else 'TOML'}: {error}."
        ) from error
    values = _check_types(path, found)
    if "logo" in values:
        values["logo"] = path.parent / values["logo"]
    if "prompts" in values:
        values["prompts"] = tuple(values["prompts"])
    return Branding(**values)


def check_branding(branding: Branding) -> CheckedBranding:
    """Check that branding can be shown and read.

    Raises:
        ConfigError: a text is too long or of more than a line, or the accent no colour.
        FormatError: the logo is no picture for a page.
    """
    words: dict[str, Any] = {}
    for name, most in (("title", MAX_TITLE), ("greeting", MAX_GREETING)):
        text = getattr(branding, name)
        if text is not None:
            words[name] = _check_text(f"--{name}", text, most)
    if len(branding.prompts) > MAX_PROMPTS:
        raise ConfigError(
            f"--prompt: got {len(branding.prompts)} of them, expected at most {MAX_PROMPTS}."
        )
    if branding.prompts:
        words["prompts"] = [_check_text("--prompt", p, MAX_PROMPT) for p in branding.prompts]
    logo = None if branding.logo is None else read_logo(Path(branding.logo))
    if logo is not None:
        words["logo"] = logo.name
    accents = None if branding.accent is None else _check_accent(branding.accent)
    warnings = [] if branding.accent is None or accents is None else _say(branding.accent, accents)
    return CheckedBranding(words, logo, accents, warnings)


def _check_types(path: Path, found: object) -> dict[str, Any]:
    names = [field.name for field in fields(Branding)]
    if not isinstance(found, Mapping):
        raise ConfigError(f"{path}: got no table of names, expected {', '.join(names)}.")
    for name, value in found.items():
        if name not in names:
            raise ConfigError(f"{path}: got key {name!r}, expected {', '.join(names)}.")
        is_list = name == "prompts"
        texts = value if is_list and isinstance(value, list) else [value]
        if not all(isinstance(text, str) for text in texts) or (is_list and texts is not value):
            kind = "a list of texts" if is_list else "a text"
            raise ConfigError(f"{path}: {name}: got {value!r:.60}, expected {kind}.")
    return dict(found)


def _check_text(option: str, text: str, most: int) -> str:
    if not 1 <= len(text.strip()) <= most or not text.isprintable():
        raise ConfigError(
            f"{option}: got {text[: most + 1]!r}, expected a line of 1 to {most} characters."
        )
    return text.strip()


def _check_accent(text: str) -> tuple[Accent, Accent]:
    colour = parse_colour(text)
    if colour is None:
        raise ConfigError(f"--accent: got {text!r}, expected a colour such as #2f6b56.")
    return fit_accent(colour, LIGHT), fit_accent(colour, DARK)


def _say(asked: str, accents: tuple[Accent, Accent]) -> list[str]:
    """Say where the accent is another than was asked for, and why."""
    return [
        f"--accent {asked} has a contrast of {made.contrast:.1f} in the {scheme} page, expected "
        f"{LEAST_CONTRAST} to be read: there it is {made.accent}."
        for made, scheme in zip(accents, ("light", "dark"), strict=True)
        if made.contrast < LEAST_CONTRAST
    ]
