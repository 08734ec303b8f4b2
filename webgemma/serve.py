"""A local server for a site: loopback by default, and nothing but the site's own files.

The standard library's file server answers any Host, follows symbolic links out of its folder and
knows no ranges. This one checks Host (a page elsewhere may point its own name at 127.0.0.1 to read
what runs there), takes GET and HEAD only, stays inside the folder, and answers If-None-Match,
Range and If-Range as RFC 9110 says.
"""

from __future__ import annotations

import errno
import hashlib
import ipaddress
import os
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from io import BufferedReader
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from webgemma.errors import ConfigError
from webgemma.http_headers import MIME_TYPES, etag_matches, parse_range
from webgemma.layout import read_index
from webgemma.version import TOOL
from webgemma.web import content_security_policy

LOOPBACK = "127.0.0.1"
DEFAULT_PORT = 8000
PORTS_TO_TRY = 20
SECONDS_TO_WAIT_FOR_A_REQUEST = 60
_CHUNK_NBYTES = 256 * 1024


class SiteServer(socketserver.ThreadingTCPServer):
    """Serves the folder `root`, each connection in a thread of its own."""

    daemon_threads = True
    allow_reuse_address = os.name != "nt"  # on Windows it would share a port that is in use
    request_queue_size = 64

    def __init__(self, root: Path, host: str, port: int) -> None:
        """Bind to `host` and `port`; 0 lets the system choose the port.

        Raises:
            OSError: the port is in use or the address is not this machine's.
        """
        self.root = root.resolve()
        self.policy = content_security_policy(self.root)
        self._etags: dict[tuple[str, int, int], str] = {}
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), SiteRequestHandler)
        self.host, self.port = self.server_address[:2]

    @property
    def url(self) -> str:
        """The address to open, with a name that browsers call secure."""
        host = str(self.host)
        if ipaddress.ip_address(host).is_unspecified:
            host = LOOPBACK
        return f"http://[{host}]:{self.port}/" if ":" in host else f"http://{host}:{self.port}/"

    def is_allowed_host(self, header: str) -> bool:
        """Return whether a Host header names this server.

        On a public address any IP literal does: it is names that other people can point here.
        """
        try:
            parts = urlsplit(f"//{header}")
            name, port = (parts.hostname or "").lower(), parts.port or 80
        except ValueError:
            return False
        if port != self.port or parts.username is not None or parts.path:
            return False
        if name in ("localhost", "127.0.0.1", "::1"):
            return True
        if ipaddress.ip_address(str(self.host)).is_loopback:
            return False
        return _is_ip_address(name) or name == socket.gethostname().lower()

    def find_file(self, url_path: str) -> Path | None:
        """Return the file for a request's path; None if there is none or it lies outside."""
        names = unquote(url_path).split("/")[1:]
        if names and names[-1] == "":
            names[-1] = "index.html"
        if not names or any(
            not name or name[0] == "." or set(name) & set("\\\0:") for name in names
        ):
            return None
        try:
            path = self.root.joinpath(*names).resolve(strict=True)
        except OSError:
            return None
        return path if path.is_relative_to(self.root) and path.is_file() else None

    def etag(self, file: BufferedReader, path: Path) -> str:
        """Return the entity tag of an open file: its SHA-256, computed once."""
        status = os.fstat(file.fileno())
        key = (str(path), status.st_mtime_ns, status.st_size)
        if key not in self._etags:
            self._etags[key] = f'"{hashlib.file_digest(file, "sha256").hexdigest()}"'
            file.seek(0)
        return self._etags[key]


class SiteRequestHandler(BaseHTTPRequestHandler):
    """Answers one connection's requests."""

    server: SiteServer
    protocol_version = "HTTP/1.1"
    timeout = SECONDS_TO_WAIT_FOR_A_REQUEST

    def do_GET(self) -> None:
        """Send a file, or the part of it that was asked for."""
        self._answer()

    def do_HEAD(self) -> None:
        """Send a file's headers."""
        self._answer()

    def __getattr__(self, name: str) -> Any:
        # The base class looks up do_<METHOD>.
        if name.startswith("do_"):
            return self._refuse_method
        raise AttributeError(name)

    def version_string(self) -> str:
        """Return what the Server header says."""
        return TOOL.replace(" ", "/")

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: the terminal shows the address only."""

    def handle(self) -> None:
        """Answer requests until the connection ends, on either side."""
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True

    def _answer(self) -> None:
        hosts = self.headers.get_all("Host") or []
        if len(hosts) != 1 or not self.path.startswith("/"):
            self._fail(HTTPStatus.BAD_REQUEST)
        elif not self.server.is_allowed_host(hosts[0]):
            self._fail(HTTPStatus.FORBIDDEN)
        else:
            path = self.server.find_file(urlsplit(self.path).path)
            if path is None:
                self._fail(HTTPStatus.NOT_FOUND)
            else:
                self._send(path)

    def _send(self, path: Path) -> None:
        """Send a file as the request's conditions ask."""
        try:
            file = path.open("rb")
        except OSError:
            self._fail(HTTPStatus.NOT_FOUND)
            return
        with file:
            size, etag = os.fstat(file.fileno()).st_size, self.server.etag(file, path)
            if etag_matches(self.headers.get("If-None-Match"), etag):
                self._start(HTTPStatus.NOT_MODIFIED, path, etag)
                self.end_headers()
                return
            start, stop = 0, size
            asked = self._asked_range(etag)
            span = parse_range(asked, size) if asked is not None else None
            if span == "unsatisfiable":
                self._fail(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, size=size)
                return
            if span is None:
                self._start(HTTPStatus.OK, path, etag)
            else:
                start, stop = span
                self._start(HTTPStatus.PARTIAL_CONTENT, path, etag)
                self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
            self.send_header("Content-Length", str(stop - start))
            self.end_headers()
            if self.command == "GET":
                self._copy(file, start, stop)

    def _asked_range(self, etag: str) -> str | None:
        """Return the Range header if it applies to the file as it is now."""
        condition = self.headers.get("If-Range")
        if self.command != "GET" or condition not in (None, etag):
            return None
        return self.headers.get("Range")

    def _copy(self, file: BufferedReader, start: int, stop: int) -> None:
        file.seek(start)
        left = stop - start
        while left > 0:
            data = file.read(min(_CHUNK_NBYTES, left))
            if not data:  # the file shrank: end the connection, so that the client notices
                self.close_connection = True
                return
            self.wfile.write(data)
            left -= len(data)

    def _start(self, status: HTTPStatus, path: Path, etag: str) -> None:
        """Send the status and the headers that every good answer has."""
        self.send_response(status)
        self.send_header("Content-Type", MIME_TYPES.get(path.suffix, MIME_TYPES[".bin"]))
        self.send_header("ETag", etag)
        self.send_header("Accept-Ranges", "bytes")
        never_changes = path.parent.name.startswith("weights-")
        self.send_header(
            "Cache-Control",
            "public, max-age=31536000, immutable, no-transform" if never_changes else "no-cache",
        )
        self._send_safety_headers()

    def _send_safety_headers(self) -> None:
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        if self.server.policy:
            self.send_header("Content-Security-Policy", self.server.policy)

    def _refuse_method(self) -> None:
        self.close_connection = True  # whatever body follows is not read
        self._fail(HTTPStatus.METHOD_NOT_ALLOWED)

    def _fail(self, status: HTTPStatus, size: int | None = None) -> None:
        """Send an error as one line of text."""
        body = f"{status.value} {status.phrase}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", MIME_TYPES[".txt"])
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        if size is not None:
            self.send_header("Content-Range", f"bytes */{size}")
        if self.close_connection:
            self.send_header("Connection", "close")
        self._send_safety_headers()
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def make_server(site: Path, *, host: str = LOOPBACK, port: int | None = None) -> SiteServer:
    """Bind a server for a site; `serve_forever` runs it.

    Args:
        site: A folder that webgemma built.
        host: An IP address of this machine.
        port: None takes the first free port from 8000 on; 0 any free one.

    Raises:
        FormatError: the folder is no site.
        ConfigError: the port is in use, or the address is not this machine's.
    """
    read_index(site)
    if not _is_ip_address(host):
        raise ConfigError(f"host: got {host!r}, expected an IP address such as 127.0.0.1.")
    ports = range(DEFAULT_PORT, DEFAULT_PORT + PORTS_TO_TRY) if port is None else [port]
    for number in ports:
        try:
            return SiteServer(site, host, number)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise ConfigError(
                    f"{host}, port {number}: cannot be served on: {error.strerror}. "
                    "Choose another --host or --port."
                ) from error
    what = f"port {ports[0]}" if port is not None else f"ports {ports[0]} to {ports[-1]}"
    raise ConfigError(
        f"{what} on {host}: got one in use, expected a free one. Choose another --port."
    )


@contextmanager
def serving(site: Path, *, host: str = LOOPBACK, port: int | None = 0) -> Iterator[SiteServer]:
    """Serve a site in a thread for as long as the context lasts."""
    with make_server(site, host=host, port=port) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def _is_ip_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
