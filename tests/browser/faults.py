"""A server that fails as networks, hosts and proxies do: which files and how often, it is told."""

from __future__ import annotations

import gzip
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from webgemma.serve import SiteRequestHandler, SiteServer

Fault = Callable[["FaultyHandler", bytes], None]
"""Answers a request for a file with these bytes."""
BINARY = "application/octet-stream"


class FaultyServer(SiteServer):
    """Serves a site; files in `faults` get that fault instead, `times` times."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, "127.0.0.1", 0)
        self.RequestHandlerClass = FaultyHandler
        self.requests: Counter[str] = Counter()
        """File's name -> how often it was asked for."""
        self.faults: dict[str, Fault] = {}
        self.times = 0
        self.released = threading.Event()
        """Ends all stalls."""

    def fail(self, name: str, fault: Fault, times: int = 1_000_000) -> None:
        """Answer the next `times` requests for files of this name with a fault."""
        self.recover()
        self.faults, self.times = {name: fault}, times

    def recover(self) -> None:
        """Serve everything as it is, and count requests from zero."""
        self.faults = {}
        self.requests.clear()
        self.released.set()
        self.released = threading.Event()


class FaultyHandler(SiteRequestHandler):
    """Answers a request, or fails at it."""

    server: FaultyServer

    def _send(self, path: Path) -> None:
        self.server.requests[path.name] += 1
        fault = self.server.faults.get(path.name) or self.server.faults.get("*")
        if fault is None or self.server.times == 0:
            super()._send(path)
            return
        self.server.times -= 1
        self.close_connection = True
        fault(self, path.read_bytes())

    def answer(
        self,
        body: bytes,
        *,
        status: int = 200,
        kind: str = BINARY,
        length: int | None = None,
        **headers: str,
    ) -> None:
        """Send an answer that may say things about its body that are not so."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()


def not_found(handler: FaultyHandler, data: bytes) -> None:
    handler.answer(b"404 Not Found\n", status=404, kind="text/plain")


def server_error(handler: FaultyHandler, data: bytes) -> None:
    handler.answer(b"500 Internal Server Error\n", status=500, kind="text/plain")


def web_page(handler: FaultyHandler, data: bytes) -> None:
    handler.answer(b"<!doctype html><title>Welcome</title>", kind="text/html; charset=utf-8")


def short(handler: FaultyHandler, data: bytes) -> None:
    handler.answer(data[:-1])


def cut_off(handler: FaultyHandler, data: bytes) -> None:
    handler.answer(data[: len(data) // 2], length=len(data))


def long(handler: FaultyHandler, data: bytes) -> None:
    handler.answer(data + b"\0")


def flipped_bit(handler: FaultyHandler, data: bytes) -> None:
    middle = len(data) // 2
    handler.answer(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])


def compressed(handler: FaultyHandler, data: bytes) -> None:
    handler.answer(gzip.compress(data), Content_Encoding="gzip")


def not_compressed(handler: FaultyHandler, data: bytes) -> None:
    handler.answer(data, Content_Encoding="gzip")


def gzip_file(handler: FaultyHandler, data: bytes) -> None:
    handler.answer(gzip.compress(data))


def partial(handler: FaultyHandler, data: bytes) -> None:
    span = f"bytes 0-{len(data) - 1}/{len(data)}"
    handler.answer(data, status=206, Content_Range=span)


def wrong_range(handler: FaultyHandler, data: bytes) -> None:
    half = len(data) // 2
    span = f"bytes {half}-{len(data) - 1}/{len(data)}"
    handler.answer(data[half:], status=206, Content_Range=span)


def range_refused(handler: FaultyHandler, data: bytes) -> None:
    handler.answer(b"", status=416, Content_Range=f"bytes */{len(data)}")


def stall(handler: FaultyHandler, data: bytes) -> None:
    released = handler.server.released
    handler.answer(data[: len(data) // 2], length=len(data))
    released.wait(60)


def silence(handler: FaultyHandler, data: bytes) -> None:
    handler.server.released.wait(60)


def reset(handler: FaultyHandler, data: bytes) -> None:
    handler.answer(data[: len(data) // 2], length=len(data))
    handler.reset()


def refused(handler: FaultyHandler, data: bytes) -> None:
    handler.reset()


FAULTS: dict[str, Fault] = {
    "404": not_found,
    "500": server_error,
    "a web page as 200": web_page,
    "one byte short": short,
    "cut off": cut_off,
    "one byte long": long,
    "one bit flipped": flipped_bit,
    "gzip, said so": compressed,
    "gzip, not said": gzip_file,
    "gzip said, but it is not": not_compressed,
    "206, unasked": partial,
    "206 of another range": wrong_range,
    "416": range_refused,
    "stall in the middle": stall,
    "no answer": silence,
    "reset in the middle": reset,
    "connection refused": refused,
}


@contextmanager
def faulty(site: Path) -> Iterator[FaultyServer]:
    """Serve a site in a thread."""
    with FaultyServer(site) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.recover()
            server.shutdown()
            thread.join()
