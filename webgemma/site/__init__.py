"""Writes a site folder: all of it, or nothing. Knows no model."""

from __future__ import annotations

from webgemma.site.branding import Branding, check_branding, read_branding
from webgemma.site.model_folder import HashingFile, ModelWriter, to_json
from webgemma.site.writer import SiteWriter

__all__ = [
    "Branding",
    "HashingFile",
    "ModelWriter",
    "SiteWriter",
    "check_branding",
    "read_branding",
    "to_json",
]
