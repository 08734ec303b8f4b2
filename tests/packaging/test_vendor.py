"""The build hook: web/vendor is filled from pinned bytes, once."""

from __future__ import annotations

import importlib.util
import io
import tarfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    pytest.importorskip("hatchling")
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "VENDOR", tmp_path / "vendor")
    return module


def fake_npm(folder: Path, script: str) -> None:
    npm = folder / "npm"
    npm.write_text(f"#!/bin/sh\n{script}\n")
    npm.chmod(0o755)


def archive(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(f"package/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def test_what_is_vendored_here_is_complete_and_as_published(hook: ModuleType) -> None:
    hook.VENDOR = ROOT / "web" / "vendor"
    assert hook.vendor() is False


def test_other_bytes_than_pinned_are_refused(
    hook: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "evil.tgz").write_bytes(archive(LICENSE=b"evil"))
    fake_npm(tmp_path, f'cp {tmp_path}/evil.tgz "$4/marked-18.2.1.tgz"')
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(hook.VendorError) as caught:
        hook.vendor()
    message = str(caught.value)
    assert message.startswith("npm pack marked@18.2.1: got bytes with sha512-")
    assert message.endswith(
        f", expected {hook.PACKAGES[0].integrity}. The package is not the one this project was "
        "tested with."
    )


def test_a_failing_npm_is_quoted(
    hook: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_npm(tmp_path, "echo no network >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(hook.VendorError) as caught:
        hook.vendor()
    assert str(caught.value) == "npm pack marked@18.2.1 failed: no network"


def test_npm_is_asked_for_from_pypi_only_where_it_is_needed(
    hook: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builder = hook.DataFolders(str(ROOT), {}, None, None, str(tmp_path), "wheel")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert builder.dependencies() == [hook.NODE_FROM_PYPI]
    fake_npm(tmp_path, "exit 1")
    assert builder.dependencies() == []
    monkeypatch.setenv("PATH", "")
    hook.VENDOR = ROOT / "web" / "vendor"
    assert builder.dependencies() == []


def test_a_checkout_that_lacks_a_data_folder_makes_no_wheel(
    hook: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "shaders").mkdir()
    with pytest.raises(hook.VendorError) as caught:
        hook.wheel_files(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: got no web/index.html, web/app, web/runtime, web/vendor, "
        "web/manifest.webmanifest, web/sw.js, web/widget.js, models/pebble/checkpoint, "
        "models/pebble/README.md, models/opal/checkpoint, models/opal/README.md, "
        "models/opal/samples, needed in the wheel"
    )
