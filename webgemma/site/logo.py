"""A logo for the page: a PNG file, or an SVG file that does nothing but draw.

The page shows it by <img>, where an SVG runs no script and fetches nothing. Opened by its own
address it would be a document of the site's origin, so one with a script is refused all the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from webgemma.sources.files import broken, read_small
from webgemma.sources.png_file import SIGNATURE, check_png

MAX_NBYTES = 256 << 10
MAX_SIDE = 1024  # pixels
SVG = "{http://www.w3.org/2000/svg}"
ACTIVE_TAGS = ("script", "foreignObject", "iframe", "embed", "object", "handler")
_INSIDE = re.compile(r"#|data:image/(png|jpeg|webp);", re.IGNORECASE)
_REACHES_OUT = re.compile(r"javascript:|@import|url\(\s*[\"']?(?!\s*[\"']?#)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Logo:
    """A picture, as the page has it."""

    name: str
    """In the page's folder `app`."""
    data: bytes
    media_type: str
    sizes: str
    """As a web app manifest says them."""


def read_logo(path: Path) -> Logo:
    """Read and check a logo.

    Raises:
        ConfigError: there is no such file.
        FormatError: it is neither PNG nor SVG, too large, or an SVG that does more than draw.
    """
    data = read_small(path, MAX_NBYTES)
    if data.startswith(SIGNATURE):
        header = check_png(data, path, max_side=MAX_SIDE)
        return Logo("logo.png", data, "image/png", f"{header.width}x{header.height}")
    _check_svg(data, path)
    return Logo("logo.svg", data, "image/svg+xml", "any")


def _check_svg(data: bytes, path: Path) -> None:
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data or b"<?xml-stylesheet" in data:
        do = "Save it without one: as plain SVG."
        raise broken(path, "", "an SVG with a document type or a style sheet", "none", do=do)
    try:
        root = ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError) as error:
        do = "Save the logo as PNG or SVG."
        raise broken(path, "", "a file that is neither PNG nor SVG", "one", do=do) from error
    if root.tag != f"{SVG}svg":
        raise broken(path, "", f"a root {root.tag!r:.60}", "svg", do="Save the logo as SVG.")
    for node in root.iter():
        if found := _activity(node):
            do = "Save it as plain SVG, without scripts and links."
            raise broken(path, "", found, "shapes and colours alone", do=do)


def _activity(node: ElementTree.Element) -> str:
    """What of an element does more than draw."""
    tag = node.tag.rpartition("}")[2]
    if tag in ACTIVE_TAGS:
        return f"<{tag}>"
    for name, value in node.attrib.items():
        plain = name.rpartition("}")[2].lower()
        if plain.startswith("on"):
            return f"attribute {plain!r}"
        if plain == "href" and not _INSIDE.match(value.strip()):
            return f"a link to {value!r:.60}"
    texts = [*node.attrib.values(), node.text or ""]
    return next((f"{text!r:.60}" for text in texts if _REACHES_OUT.search(text)), "")
