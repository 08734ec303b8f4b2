"""Every error webgemma raises on purpose.

    WebGemmaError                 exit 1; the command line prints "error: ..." without a traceback
    ├─ FormatError(ValueError)    the file is broken
    ├─ UnsupportedError           the file is fine, we do not do it
    ├─ ConfigError(ValueError)    the request is contradictory
    ├─ ProgramError               program.check found a defect
    └─ GpuError                   no adapter, a limit too small, a shader that does not compile

Messages follow one pattern: what failed, where: got X, expected Y. Do Z.
"""

from __future__ import annotations


class WebGemmaError(Exception):
    """Base of all errors that webgemma raises on purpose."""

    exit_code = 1


class FormatError(WebGemmaError, ValueError):
    """A file is broken: names the path, the tensor or key, the offset, got and expected."""


class UnsupportedError(WebGemmaError):
    """A file is fine, but webgemma does not do what it asks for: names what is supported."""


class ConfigError(WebGemmaError, ValueError):
    """A request is contradictory or cannot be met as asked."""


class ProgramError(WebGemmaError):
    """The checker found a defect in a program: names the step, the kernel and the binding."""


class GpuError(WebGemmaError):
    """No adapter, a limit that is too small, or a shader that does not compile."""
