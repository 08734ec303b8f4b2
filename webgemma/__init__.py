"""Package a language model as a static web site that runs it in the browser on WebGPU.

from webgemma import build_site, open_session

build_site("gemma-2-2b-it-Q4_K_M.gguf", "site")
with open_session("site") as session:
    for piece in session.generate("Why is the sky blue?"):
        print(piece, end="")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from webgemma.version import __version__

if TYPE_CHECKING:
    from webgemma.build import ModelReport, ModelRequest, SiteReport, build_site
    from webgemma.errors import (
        ConfigError,
        FormatError,
        GpuError,
        ProgramError,
        UnsupportedError,
        WebGemmaError,
    )
    from webgemma.mlc import MlcReport, convert_to_mlc
    from webgemma.runtime.generation import Generation
    from webgemma.runtime.session import Session, open_session
    from webgemma.site import Branding

_HOMES = {
    "Branding": "webgemma.site",
    "ModelReport": "webgemma.build",
    "ModelRequest": "webgemma.build",
    "SiteReport": "webgemma.build",
    "build_site": "webgemma.build",
    "MlcReport": "webgemma.mlc",
    "convert_to_mlc": "webgemma.mlc",
    "ConfigError": "webgemma.errors",
    "FormatError": "webgemma.errors",
    "GpuError": "webgemma.errors",
    "ProgramError": "webgemma.errors",
    "UnsupportedError": "webgemma.errors",
    "WebGemmaError": "webgemma.errors",
    "Generation": "webgemma.runtime.generation",
    "Session": "webgemma.runtime.session",
    "open_session": "webgemma.runtime.session",
}
"""Public name -> module. They load on first use: numpy and wgpu take a second to import."""

__all__ = [
    "Branding",
    "ConfigError",
    "FormatError",
    "Generation",
    "GpuError",
    "MlcReport",
    "ModelReport",
    "ModelRequest",
    "ProgramError",
    "Session",
    "SiteReport",
    "UnsupportedError",
    "WebGemmaError",
    "__version__",
    "build_site",
    "convert_to_mlc",
    "open_session",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for (PEP 562)."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'webgemma' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return __all__
