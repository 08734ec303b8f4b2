"""The pipeline from a checkpoint to a site: the one place that sees every stage."""

from __future__ import annotations

from webgemma.build.pipeline import build_site
from webgemma.build.report import ModelReport, SiteReport
from webgemma.build.request import ModelRequest

__all__ = ["ModelReport", "ModelRequest", "SiteReport", "build_site"]
