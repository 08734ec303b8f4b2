"""Puts branding into a site: branding.json and branding.css, which its page reads, and names."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

from webgemma.site.branding import CheckedBranding
from webgemma.site.contrast import Accent
from webgemma.site.logo import Logo
from webgemma.site.model_folder import to_json

WORDS, COLOURS = "app/branding.json", "app/branding.css"
WEB_MANIFEST = "manifest.webmanifest"
TITLE = "<title>webgemma</title>"
"""Of index.html, until the page's script has the model's name."""
LEAST_ICON_SIDE = 192  # pixels of a PNG; of smaller ones browsers make no app


def lay_branding(site: Path, branding: CheckedBranding) -> None:
    """Change the page's files, before they are hashed for the service worker."""
    (site / WORDS).write_bytes(to_json(branding.words))
    if branding.accents is not None:
        (site / COLOURS).write_text(style_sheet(branding.accents), encoding="utf-8")
    if branding.logo is not None:
        (site / "app" / branding.logo.name).write_bytes(branding.logo.data)
    path = site / WEB_MANIFEST
    path.write_bytes(to_json(brand_manifest(json.loads(path.read_bytes()), branding)))
    if "title" in branding.words:
        _set_title(site / "index.html", branding.words["title"])


def style_sheet(accents: tuple[Accent, Accent]) -> str:
    """The colours of style.css that an accent replaces, in light and in dark."""
    light, dark = (
        f":root {{ --accent: {one.accent}; --on-accent: {one.on_accent}; --tint: {one.tint}; }}"
        for one in accents
    )
    return f"{light}\n\n@media (prefers-color-scheme: dark) {{\n  {dark}\n}}\n"


def brand_manifest(manifest: dict[str, Any], branding: CheckedBranding) -> dict[str, Any]:
    """The web app manifest under the site's own name, colour and icon."""
    changed = dict(manifest)
    if "title" in branding.words:
        changed |= {"name": branding.words["title"], "short_name": branding.words["title"]}
    if branding.accents is not None:
        changed["theme_color"] = branding.accents[0].accent
    if branding.logo is not None:
        own = [] if _is_large(branding.logo) else manifest["icons"]
        changed["icons"] = [_icon(branding.logo), *own]
    return changed


def _icon(logo: Logo) -> dict[str, str]:
    return {
        "src": f"./app/{logo.name}",
        "sizes": logo.sizes,
        "type": logo.media_type,
        "purpose": "any",
    }


def _is_large(logo: Logo) -> bool:
    """Whether browsers make an app of it without another icon."""
    return logo.sizes == "any" or min(map(int, logo.sizes.split("x"))) >= LEAST_ICON_SIDE


def _set_title(page: Path, title: str) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.count(TITLE) == 1, "index.html has its title"
    page.write_text(text.replace(TITLE, f"<title>{html.escape(title)}</title>"), encoding="utf-8")
