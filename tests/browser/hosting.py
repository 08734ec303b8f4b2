"""A plain static host, as most are: no policy, no headers of ours."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Elsewhere(SimpleHTTPRequestHandler):
    """A host that lets other sites read, or not."""

    allows = "*"

    def end_headers(self) -> None:
        if self.allows:
            self.send_header("Access-Control-Allow-Origin", self.allows)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def hosting(folder: Path, allows: str = "") -> Iterator[str]:
    """Serve a folder at an origin of its own, and yield its address."""
    kind = type("Host", (Elsewhere,), {"allows": allows})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(kind, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()
