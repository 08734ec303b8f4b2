"""Writes a site folder: all of it, or nothing. Knows no model."""

from __future__ import annotations

from webgemma.site.model_folder import HashingFile, ModelWriter, to_json
from webgemma.site.writer import SiteWriter

__all__ = ["HashingFile", "ModelWriter", "SiteWriter", "to_json"]
