from __future__ import annotations

import hashlib
import http.client
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from webgemma.errors import ConfigError, FormatError
from webgemma.http_headers import parse_range
from webgemma.serve import SiteServer, make_server, serving
from webgemma.web import FRAMES

SHARD = bytes(range(256)) * 4096
POLICY = "default-src 'none'; script-src 'self'"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SiteServer]:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret.txt").write_text("secret")
    site = tmp_path_factory.mktemp("site")
    weights = site / "models/m/weights-0123456789abcdef"
    weights.mkdir(parents=True)
    (weights / "params_shard_0.bin").write_bytes(SHARD)
    (site / "models/index.json").write_text('{"version": 1, "models": []}')
    (site / "index.html").write_text(
        f'<!doctype html><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    )
    (site / "app").mkdir()
    for name in ("x.js", "x.mjs", "x.json", "x.wasm", "x.wgsl", "x.webmanifest", "LICENSE", "x.y"):
        (site / "app" / name).write_text("{}")
    (site / "app/empty.txt").touch()
    (site / "app/.hidden").write_text("secret")
    (site / "app/link.txt").symlink_to(outside / "secret.txt")
    (site / "app/folder").symlink_to(outside)
    (site / "app/inside.js").symlink_to(site / "app/x.js")
    with serving(site) as running:
        yield running


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()


def ask(server: SiteServer, path: str, method: str = "GET", **headers: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, headers=names)
    answer = Answer(connection.getresponse())
    connection.close()
    return answer


def raw(server: SiteServer, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


SHARD_URL = "/models/m/weights-0123456789abcdef/params_shard_0.bin"


def test_the_page_has_its_policy_as_a_header(server: SiteServer) -> None:
    answer = ask(server, "/")
    assert answer.status == 200
    assert answer.headers["Content-Security-Policy"] == f"{POLICY}; {FRAMES}"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["Access-Control-Allow-Origin"] is None
    assert answer.body == ask(server, "/index.html?x=1#y").body


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("x.js", "text/javascript; charset=utf-8"),
        ("x.mjs", "text/javascript; charset=utf-8"),
        ("x.json", "application/json"),
        ("x.wasm", "application/wasm"),
        ("x.wgsl", "text/wgsl; charset=utf-8"),
        ("x.webmanifest", "application/manifest+json"),
        ("LICENSE", "text/plain; charset=utf-8"),
        ("x.y", "application/octet-stream"),
    ],
)
def test_mime_types(server: SiteServer, name: str, kind: str) -> None:
    assert ask(server, f"/app/{name}").headers["Content-Type"] == kind


def test_weights_are_whole_tagged_by_hash_and_cached_for_ever(server: SiteServer) -> None:
    answer = ask(server, SHARD_URL)
    assert (answer.status, answer.body) == (200, SHARD)
    assert answer.headers["ETag"] == f'"{hashlib.sha256(SHARD).hexdigest()}"'
    assert answer.headers["Content-Length"] == str(len(SHARD))
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable, no-transform"


def test_head_has_the_headers_only(server: SiteServer) -> None:
    answer = ask(server, SHARD_URL, "HEAD", Range="bytes=0-1")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-Length"] == str(len(SHARD))
    assert ask(server, "/none", "HEAD").body == b""


def test_what_the_client_has_is_not_sent_again(server: SiteServer) -> None:
    etag = ask(server, SHARD_URL).headers["ETag"]
    for header in (etag, f'"x", W/{etag}', "*"):
        answer = ask(server, SHARD_URL, If_None_Match=header)
        assert (answer.status, answer.body) == (304, b"")
    assert ask(server, SHARD_URL, If_None_Match='"x"').status == 200


def test_a_changed_file_has_another_tag(server: SiteServer) -> None:
    path = server.root / "app/x.y"
    before = ask(server, "/app/x.y").headers["ETag"]
    path.write_text("changed")
    assert ask(server, "/app/x.y").headers["ETag"] != before


def test_a_range_is_206(server: SiteServer) -> None:
    answer = ask(server, SHARD_URL, Range="bytes=1000-1999")
    assert (answer.status, answer.body) == (206, SHARD[1000:2000])
    assert answer.headers["Content-Range"] == f"bytes 1000-1999/{len(SHARD)}"
    assert answer.headers["Content-Length"] == "1000"


def test_a_range_outside_is_416(server: SiteServer) -> None:
    for path, size in ((SHARD_URL, len(SHARD)), ("/app/empty.txt", 0)):
        answer = ask(server, path, Range=f"bytes={size}-")
        assert answer.status == 416
        assert answer.headers["Content-Range"] == f"bytes */{size}"


def test_a_range_of_a_file_that_changed_is_the_whole_file(server: SiteServer) -> None:
    etag = ask(server, SHARD_URL).headers["ETag"]
    assert ask(server, SHARD_URL, Range="bytes=0-9", If_Range=etag).status == 206
    assert ask(server, SHARD_URL, Range="bytes=0-9", If_Range='"old"').status == 200


@pytest.mark.parametrize(
    ("header", "result"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=5-", (5, 10)),
        ("bytes=-4", (6, 10)),
        ("bytes=-99", (0, 10)),
        ("bytes=3-99", (3, 10)),
        ("bytes=10-", "unsatisfiable"),
        ("bytes=-0", "unsatisfiable"),
        ("bytes=5-3", None),
        ("bytes=-", None),
        ("bytes=0-1,3-4", None),
        ("bytes=x-y", None),
        ("items=0-1", None),
        ("bytes=" + "9" * 30 + "-", None),
    ],
)
def test_parse_range(header: str, result: object) -> None:
    assert parse_range(header, 10) == result


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"])
def test_names_of_this_machine_are_served(server: SiteServer, host: str) -> None:
    assert ask(server, "/", Host=f"{host}:{server.port}").status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:{port}",
        "localhost",
        "localhost:1",
        "localhost.evil.example:{port}",
        "localhost:{port}@evil.example",
        "192.168.1.7:{port}",
        "x@localhost:{port}",
        "localhost:{port}/x",
        "localhost:port",
        "",
    ],
)
def test_other_names_are_refused(server: SiteServer, host: str) -> None:
    answer = ask(server, "/", Host=host.format(port=server.port))
    assert (answer.status, answer.body) == (403, b"403 Forbidden\n")


def test_no_host_or_two_or_a_foreign_target_is_a_bad_request(server: SiteServer) -> None:
    host = f"Host: localhost:{server.port}\r\n".encode()
    for request in (
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + host + host + b"\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\n" + host + b"\r\n",
    ):
        assert raw(server, request).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"])
def test_other_methods_are_refused(server: SiteServer, method: str) -> None:
    answer = ask(server, "/", method)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD"
    assert answer.headers["Connection"] == "close"


@pytest.mark.parametrize(
    "path",
    [
        "/app",
        "/app/",
        "/none",
        "/app/link.txt",
        "/app/folder/secret.txt",
        "/app/.hidden",
        "/app/%2e%2e/index.html",
        "/../secret.txt",
        "/..%2fsecret.txt",
        "/app/..%5c..%5csecret.txt",
        "/app//x.js",
        "/app/x.js/",
        "/app/x.js%00",
        "/" + "x" * 5000,
        "/C:/x",
    ],
)
def test_nothing_else_is_served(server: SiteServer, path: str) -> None:
    answer = ask(server, path)
    assert (answer.status, answer.body) == (404, b"404 Not Found\n")


def test_a_link_inside_the_site_is_served(server: SiteServer) -> None:
    assert ask(server, "/app/inside.js").status == 200


def test_a_connection_serves_several_requests(server: SiteServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    for path in ("/", "/none", SHARD_URL, "/"):
        connection.request("GET", path)
        Answer(connection.getresponse())
    connection.close()


def test_a_folder_that_is_no_site_is_not_served(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"got no models/index\.json"):
        make_server(tmp_path)


def test_a_port_in_use_is_said_or_the_next_one_taken(server: SiteServer) -> None:
    with pytest.raises(ConfigError) as caught:
        make_server(server.root, port=server.port)
    assert str(caught.value) == (
        f"port {server.port} on 127.0.0.1: got one in use, expected a free one. "
        "Choose another --port."
    )
    with make_server(server.root) as first, make_server(server.root) as second:
        assert second.port > first.port >= 8000


def test_an_address_of_another_machine_is_said(server: SiteServer) -> None:
    with pytest.raises(ConfigError) as caught:
        make_server(server.root, host="192.0.2.1", port=0)
    assert str(caught.value) == (
        "192.0.2.1, port 0: cannot be served on: Cannot assign requested address. "
        "Choose another --host or --port."
    )
    with pytest.raises(ConfigError) as caught:
        make_server(server.root, host="localhost")
    assert str(caught.value) == ("host: got 'localhost', expected an IP address such as 127.0.0.1.")


def test_on_a_public_address_names_are_refused_and_addresses_served(server: SiteServer) -> None:
    with serving(server.root, host="0.0.0.0") as public:
        assert public.url == f"http://127.0.0.1:{public.port}/"
        assert ask(public, "/", Host=f"192.168.1.7:{public.port}").status == 200
        assert ask(public, "/", Host=f"evil.example:{public.port}").status == 403
