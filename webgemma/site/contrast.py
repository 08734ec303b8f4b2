"""Colours of the page that people can read: WCAG 2's contrast, and an accent that has it.

Source: https://www.w3.org/TR/WCAG22/#contrast-minimum, relative luminance of sRGB.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

Rgb = tuple[float, float, float]
"""Red, green and blue, 0 to 1, as sRGB has them."""

LEAST_CONTRAST = 4.5
"""WCAG's level AA for text of any size."""
STEPS = 100
"""From the colour asked for to black or white."""
BLACK, WHITE = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
_HEX = re.compile(r"#(?:[0-9a-fA-F]{3}){1,2}")


@dataclass(frozen=True, slots=True)
class Theme:
    """The backgrounds of style.css in one colour scheme, and which way an accent gives way."""

    paper: str
    grounds: tuple[str, ...]
    """All that accented text may stand on, but for the tint of the accent itself."""
    towards: Rgb
    tint: float
    """How much of the accent is in its tint; the rest is paper."""


LIGHT = Theme("#faf9f6", ("#faf9f6", "#ffffff", "#f1efe9"), BLACK, 0.1)
DARK = Theme("#161615", ("#161615", "#201f1e", "#201f1d"), WHITE, 0.15)


@dataclass(frozen=True, slots=True)
class Accent:
    """An accent in one colour scheme, as CSS has colours."""

    accent: str
    on_accent: str
    """Of text on the accent."""
    tint: str
    contrast: float
    """The least that the colour asked for would have had."""


def parse_colour(text: str) -> Rgb | None:
    """Read `#rgb` or `#rrggbb`; None if it is neither."""
    if not _HEX.fullmatch(text):
        return None
    digits = text[1:] if len(text) == 7 else "".join(2 * digit for digit in text[1:])
    red, green, blue = (int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4))
    return red, green, blue


def format_colour(colour: Rgb) -> str:
    """Write a colour as `#rrggbb`."""
    return "#" + "".join(f"{round(255 * channel):02x}" for channel in colour)


def mix(first: Rgb, second: Rgb, share: float) -> Rgb:
    """`share` of the second colour, the rest of the first."""
    red, green, blue = (a + (b - a) * share for a, b in zip(first, second, strict=True))
    return red, green, blue


def contrast(first: Rgb, second: Rgb) -> float:
    """WCAG's ratio of two colours, 1 to 21.

    >>> round(contrast((0, 0, 0), (1, 1, 1)), 1)
    21.0
    """
    darker, lighter = sorted((_luminance(first), _luminance(second)))
    return (lighter + 0.05) / (darker + 0.05)


def fit_accent(colour: Rgb, theme: Theme) -> Accent:
    """The nearest colour on the way to black or white that can be read wherever accents stand."""
    for step in range(STEPS + 1):
        accent = mix(colour, theme.towards, step / STEPS)
        tint = mix(_known(theme.paper), accent, theme.tint)
        if _least_contrast(accent, tint, theme) >= LEAST_CONTRAST:
            break
    on_accent = max((BLACK, WHITE), key=lambda text: contrast(text, accent))
    asked = _least_contrast(colour, mix(_known(theme.paper), colour, theme.tint), theme)
    return Accent(format_colour(accent), format_colour(on_accent), format_colour(tint), asked)


def _least_contrast(accent: Rgb, tint: Rgb, theme: Theme) -> float:
    """On all grounds; measured on what is written, which is rounded to 256 steps."""
    written = _known(format_colour(accent))
    grounds = (*theme.grounds, format_colour(tint))
    return min(contrast(written, _known(ground)) for ground in grounds)


def _known(text: str) -> Rgb:
    colour = parse_colour(text)
    assert colour is not None, text
    return colour


def _luminance(colour: Rgb) -> float:
    """Relative luminance, 0 for black to 1 for white."""
    red, green, blue = (
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
        for channel in colour
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
