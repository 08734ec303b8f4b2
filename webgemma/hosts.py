"""What static hosts allow and read, so that a site that would not fit fails before it is written.

Sources and dates: docs/hosting.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from webgemma.errors import ConfigError

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Host:
    """Limits of a static host, None where it names none, and the files of ours that it reads."""

    name: str
    max_file_nbytes: int | None = None
    max_site_nbytes: int | None = None
    max_num_files: int | None = None
    reads_headers: bool = False
    """`_headers`."""
    runs_jekyll: bool = False
    """Leaves files out unless there is a `.nojekyll`."""
    is_space: bool = False
    """Takes its settings from the head of README.md, and large files by Git LFS."""


HOSTS = {
    "any": Host("any static host", max_file_nbytes=24 * MIB, reads_headers=True, runs_jekyll=True),
    "github-pages": Host(
        "GitHub Pages",
        max_file_nbytes=100_000_000,
        max_site_nbytes=1_000_000_000,
        runs_jekyll=True,
    ),
    "cloudflare-pages": Host(
        "Cloudflare Pages", max_file_nbytes=25 * MIB, max_num_files=20_000, reads_headers=True
    ),
    "netlify": Host("Netlify", reads_headers=True),
    "hf-space": Host(
        "Hugging Face Space", max_file_nbytes=20_000_000_000, max_num_files=10_000, is_space=True
    ),
}
HOST_FILES = ("_headers", ".nojekyll", "README.md", ".gitattributes")
"""What a build may write for a host at the site's top level."""

REDIRECTS = {"huggingface.co": ("https://*.huggingface.co", "https://*.hf.co")}
"""Host name -> the other origins that it sends downloads to."""
# Goes into a policy, a header and HTML: nothing that ends any of them.
_WEIGHTS_URL = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/%+-]*)?")


def find_host(key: str) -> Host:
    """Return the host that the command line calls `key`.

    Raises:
        ConfigError: there is none.
    """
    host = HOSTS.get(key)
    if host is None:
        raise ConfigError(f"host: got {key!r}, expected one of: {', '.join(HOSTS)}.")
    return host


def check_host(key: str, files: Mapping[str, int]) -> None:
    """Check that a site fits on a host.

    Args:
        key: Key of HOSTS.
        files: Path in the site -> bytes.

    Raises:
        ConfigError: a file, the sum or the count is over the host's limit.
    """
    host = find_host(key)
    largest = max(files, key=lambda path: files[path], default=None)
    measures = (
        (f"file {largest}", "bytes", files[largest] if largest else 0, host.max_file_nbytes),
        ("the site", "bytes", sum(files.values()), host.max_site_nbytes),
        ("the site", "files", len(files), host.max_num_files),
    )
    for what, unit, got, limit in measures:
        _check_limit(host, what, unit, got, limit)


def check_expected_nbytes(key: str, nbytes: int) -> None:
    """Check before anything is written that a host takes so many bytes of weights.

    Raises:
        ConfigError: it does not.
    """
    host = find_host(key)
    _check_limit(host, "its weights", "bytes", nbytes, host.max_site_nbytes)


def _check_limit(host: Host, what: str, unit: str, got: int, limit: int | None) -> None:
    if limit is not None and got > limit:
        raise ConfigError(
            f"{host.name} does not take this site: {what}: got {got:,} {unit}, expected at most "
            f"{limit:,}. Choose another --host, a smaller model, or keep its weights elsewhere "
            "with --weights-url; see docs/hosting.md."
        )


def host_files(key: str, title: str) -> dict[str, str]:
    """Return path -> text of the files that a host wants beside the page, but for `_headers`.

    Args:
        key: Key of HOSTS.
        title: What people call the site.
    """
    host = find_host(key)
    files = {}
    if host.runs_jekyll:
        files[".nojekyll"] = ""
    if host.is_space:
        settings = {"title": title, "sdk": "static", "app_file": "index.html", "pinned": False}
        lines = [f"{name}: {json.dumps(value)}" for name, value in settings.items()]
        files["README.md"] = "\n".join(["---", *lines, "---", ""])
        files[".gitattributes"] = "*.bin filter=lfs diff=lfs merge=lfs -text\n"
    return files


def check_weights_url(url: str) -> str:
    """Return the address of a folder of weights, ending in a slash.

    Raises:
        ConfigError: it is no https address of a folder.
    """
    parts = urlsplit(url) if _WEIGHTS_URL.fullmatch(url) else None
    is_local = parts is not None and parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts is None or not parts.hostname or (parts.scheme == "http" and not is_local):
        raise ConfigError(
            f"--weights-url: got {url!r}, expected an https address of a folder, such as "
            "https://huggingface.co/me/weights/resolve/main/."
        )
    return url if url.endswith("/") else f"{url}/"


def connect_sources(weights_url: str) -> str:
    """Return the sources of a Content-Security-Policy that weights at an address need."""
    parts = urlsplit(weights_url)
    redirects = REDIRECTS.get(parts.hostname or "", ())
    return " ".join((f"{parts.scheme}://{parts.netloc}", *redirects))
