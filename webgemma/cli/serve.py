"""`webgemma serve` and `webgemma demo`: a site on this machine."""

from __future__ import annotations

import ipaddress
import signal
import sys
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Annotated

import typer

from webgemma.cli import options
from webgemma.progress import ConsoleProgress, no_progress

SERVE_EXAMPLES = """\b
Examples:
  webgemma serve site
  webgemma serve site --port 9000"""
DEMO_EXAMPLES = """\b
Examples:
  webgemma demo
  webgemma demo --vision
  webgemma demo --no-browser --port 9000"""


def serve(
    site: options.Site,
    host: options.Host = "127.0.0.1",
    port: options.Port = None,
    debug: options.Debug = False,
) -> None:
    """Serve a site on this machine, until Ctrl-C.

    Prints the address on stdout. Only this machine reaches it, unless --host says otherwise.
    """
    _serve(site, host, port, open_browser=False)


def demo(
    vision: Annotated[
        bool, typer.Option("--vision", help="The model that sees: pictures of coloured shapes.")
    ] = False,
    port: options.Port = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address, open nothing.")
    ] = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Build and serve a built-in model.

    A page of a few megabytes, built into your cache folder. Open the printed
    address in a browser with WebGPU.
    """
    from webgemma.demo import build_demo
    from webgemma.resources import BUILT_IN_MODEL, SEEING_MODEL

    with nullcontext(no_progress) if quiet else ConsoleProgress() as progress:
        site = build_demo(SEEING_MODEL if vision else BUILT_IN_MODEL, progress=progress)
    _serve(site, "127.0.0.1", port, open_browser=not no_browser)


def _serve(site: Path, host: str, port: int | None, *, open_browser: bool) -> None:
    """Serve a site until Ctrl-C."""
    from webgemma.serve import make_server

    # A shell's background job starts with Ctrl-C ignored; a service manager sends SIGTERM.
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.default_int_handler)
    with suppress(KeyboardInterrupt), make_server(site, host=host, port=port) as server:
        if not ipaddress.ip_address(host).is_loopback:
            print(
                f"warning: every machine that reaches {host} can read this site. Browsers give "
                "WebGPU to https and to this machine's own addresses only.",
                file=sys.stderr,
            )
        print(server.url, flush=True)
        print("Serving until Ctrl-C.", file=sys.stderr)
        if open_browser:
            from webgemma.demo import open_in_browser

            open_in_browser(server.url)
        server.serve_forever()
