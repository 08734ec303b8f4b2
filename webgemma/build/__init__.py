"""The pipeline from a checkpoint to a site: the one place that sees every stage."""

from __future__ import annotations

from webgemma.build.pipeline import SiteReport, build_site

__all__ = ["SiteReport", "build_site"]
