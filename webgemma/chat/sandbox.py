"""Ask a child process to render a chat template (see jinja_child.py)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from webgemma.errors import UnsupportedError

CHILD = Path(__file__).with_name("jinja_child.py")
MAX_TEMPLATE_NBYTES = 256 << 10
CPU_SECONDS = 5
WALL_SECONDS = 30
NBYTES = 512 << 20


class Message(TypedDict):
    """One message of a chat."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a template is rendered with."""

    messages: list[Message]
    add_generation_prompt: bool


@dataclass(frozen=True, slots=True)
class Rendering:
    """What a template gave: a text, or why there is none."""

    text: str | None
    error: str = ""


def render_template(
    template: str,
    conversations: Sequence[Conversation],
    *,
    bos_token: str,
    eos_token: str,
    cpu_seconds: int = CPU_SECONDS,
    nbytes: int = NBYTES,
) -> list[Rendering]:
    """Render conversations with an untrusted jinja2 template.

    Returns:
        One rendering for each conversation, in order.

    Raises:
        UnsupportedError: the template is too long, or took too much time or memory.
    """
    size = len(template.encode("utf-8", "replace"))
    if size > MAX_TEMPLATE_NBYTES:
        raise UnsupportedError(
            f"chat template: got {size:,} bytes, expected at most {MAX_TEMPLATE_NBYTES:,}. "
            "Give another one with --chat-template."
        )
    request = {
        "template": template,
        "variables": {"bos_token": bos_token, "eos_token": eos_token},
        "cpu_seconds": cpu_seconds,
        "nbytes": nbytes,
        "conversations": [
            {"messages": c.messages, "add_generation_prompt": c.add_generation_prompt}
            for c in conversations
        ],
    }
    answer = _run_child(json.dumps(request).encode(), cpu_seconds, nbytes)
    return [
        Rendering(text=result.get("text"), error=result.get("error", ""))
        for result in json.loads(answer)["results"]
    ]


def _run_child(request: bytes, cpu_seconds: int, nbytes: int) -> bytes:
    """Run the child once and return its stdout."""
    # -I: no environment variables, no current folder; the child gets nothing but the request.
    command = [sys.executable, "-I", str(CHILD)]
    try:
        done = subprocess.run(
            command, input=request, capture_output=True, timeout=WALL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise _too_much(f"took more than {WALL_SECONDS} s") from error
    if done.returncode != 0:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = lines[-1][:200] if lines else f"ended with status {done.returncode}"
        raise _too_much(
            f"did not finish within {cpu_seconds} s of processor time and {nbytes >> 20} MB "
            f"({reason})"
        )
    return done.stdout


def _too_much(what: str) -> UnsupportedError:
    """Make the error for a template that does not come to an end."""
    return UnsupportedError(
        f"chat template: rendering it {what}. Give another one with --chat-template: 'gemma', "
        "'none', or a jinja file."
    )
