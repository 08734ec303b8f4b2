"""Render a chat template in a process of its own, with limits on time and memory.

A template comes with a model and may be hostile: jinja2's sandbox keeps it from running code, but
not from looping for ever or filling the memory. So this file is run as a program, without importing
webgemma: it reads one JSON request from stdin and writes one JSON answer to stdout.

Request: {"template", "variables", "cpu_seconds", "nbytes", "conversations": [{"messages", ...}]}
Answer: {"results": [{"text"} or {"error"}]}
"""

from __future__ import annotations

import json
import sys
from typing import Any, NoReturn

import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_OUTPUT_CHARACTERS = 4 << 20


def limit_process(cpu_seconds: int, nbytes: int) -> None:
    """Let the system end this process when it takes too much; Windows has no such limits."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    resource.setrlimit(resource.RLIMIT_AS, (nbytes, nbytes))


def raise_exception(message: str) -> NoReturn:
    """Refuse a conversation: what templates call for roles they do not know."""
    raise jinja2.TemplateError(str(message))


def make_environment() -> ImmutableSandboxedEnvironment:
    """Make the environment that chat templates are written for.

    A template that asks for the date fails here on purpose: its text cannot be known when the site
    is built. Source: transformers, utils/chat_template_utils.py, _compile_jinja_template.
    """
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
    )
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    environment.globals["raise_exception"] = raise_exception
    return environment


def render_all(request: dict[str, Any]) -> list[dict[str, str]]:
    """Render every conversation of a request."""
    try:
        template = make_environment().from_string(request["template"])
    # Whatever a hostile template makes jinja2 raise is reported, not handled.
    except Exception as error:
        return [{"error": f"{type(error).__name__}: {error}"}] * len(request["conversations"])
    results = []
    left = MAX_OUTPUT_CHARACTERS
    for conversation in request["conversations"]:
        try:
            text = template.render(
                tools=None, documents=None, **request["variables"], **conversation
            )
            left -= len(text)
            if left < 0:
                raise ValueError(f"more than {MAX_OUTPUT_CHARACTERS} characters of output")
            results.append({"text": text})
        except Exception as error:
            results.append({"error": f"{type(error).__name__}: {error}"})
    return results


def main() -> None:
    """Answer the one request on stdin."""
    request = json.load(sys.stdin)
    limit_process(request["cpu_seconds"], request["nbytes"])
    json.dump({"results": render_all(request)}, sys.stdout)


if __name__ == "__main__":
    main()
