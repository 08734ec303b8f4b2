"""What static hosts allow, so that a site that would not fit fails while it is built.

Sources and dates: docs/hosting.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from webgemma.errors import ConfigError

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Host:
    """Limits of a static host; None where it names none."""

    name: str
    max_file_nbytes: int | None = None
    max_site_nbytes: int | None = None
    max_num_files: int | None = None


HOSTS = {
    "any": Host("any static host", max_file_nbytes=24 * MIB),
    "github": Host("GitHub Pages", max_file_nbytes=100_000_000, max_site_nbytes=1_000_000_000),
    "cloudflare": Host("Cloudflare Pages", max_file_nbytes=25 * MIB, max_num_files=20_000),
    "netlify": Host("Netlify"),
    "hf": Host("Hugging Face Space", max_file_nbytes=20_000_000_000, max_num_files=10_000),
}


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
        if limit is not None and got > limit:
            raise ConfigError(
                f"{host.name} does not take this site: {what}: got {got:,} {unit}, expected at "
                f"most {limit:,}. Choose another --host or a smaller model; see docs/hosting.md."
            )
