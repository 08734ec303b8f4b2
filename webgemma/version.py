"""The version of webgemma, read by the package's build and written into every site."""

from __future__ import annotations

__version__ = "0.1.0"

TOOL = f"webgemma {__version__}"
"""How a manifest names the program that wrote it."""
