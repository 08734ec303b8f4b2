from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from webgemma import layout, staging, web
from webgemma.errors import ConfigError, FormatError
from webgemma.resources import data_folder
from webgemma.site import SiteWriter


def write_site(out: Path, *, force: bool = False, host: str = "any", shard: bytes = b"abc") -> None:
    with SiteWriter(out, force=force, host=host) as writer:
        model = writer.model("tiny", name="Tiny")
        with model.open("weights/params_shard_0.bin") as file:
            file.write(shard)
        model.rename_folder("weights", f"weights-{model.digest('weights')}")
        model.add_json("program.json", {"version": 1})
        model.finish({"version": 1, "id": "tiny"})


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_site_holds_page_runtime_index_and_model(tmp_path: Path) -> None:
    write_site(tmp_path / "site")
    files = tree(tmp_path / "site")
    assert {"vendor/marked.js", ".nojekyll", "_headers"} <= set(files)
    assert any(path.startswith("webgemma/") and path.endswith(".js") for path in files)
    assert b"require-trusted-types-for 'script'" in files["_headers"]
    assert not any(".lock" in path or path.endswith(".test.js") for path in files)
    index = json.loads(files["models/index.json"])
    assert re.fullmatch("[0-9a-f]{16}", index.pop("shell"))
    assert index == {"version": 1, "models": [{"id": "tiny", "name": "Tiny"}]}
    assert os.listdir(tmp_path) == ["site"]


def test_the_service_worker_knows_every_file_of_the_page(tmp_path: Path) -> None:
    write_site(tmp_path / "site")
    files = tree(tmp_path / "site")
    found = re.search(rb"const SHELL=(\{.*?\}\});", files["sw.js"])
    assert found is not None
    shell = json.loads(found[1])
    assert shell["version"] == json.loads(files["models/index.json"])["shell"]
    page = {path for path in files if path.startswith(("app/", "webgemma/", "vendor/"))}
    assert shell["files"] == {
        path: hashlib.sha256(files[path]).hexdigest()
        for path in sorted({*page, "index.html", "manifest.webmanifest", "widget.js"})
        if not path.endswith(".d.ts")
    }


def test_all_of_web_is_shipped_but_its_tests_and_types() -> None:
    parts = {path.name for path in data_folder("web").iterdir()}
    assert parts - {"tests", "types"} == set(web.WEB_PARTS)


def test_the_manifest_names_every_other_file_with_its_hash(tmp_path: Path) -> None:
    write_site(tmp_path / "site")
    folder = layout.find_model(tmp_path / "site")
    manifest = layout.read_manifest(folder)
    files = tree(folder)
    del files["webgemma.json"]
    assert list(manifest) == ["version", "id", "files"]
    assert manifest["files"] == {
        path: {"nbytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for path, data in sorted(files.items())
    }


def test_the_weights_folder_is_named_by_its_contents(tmp_path: Path) -> None:
    for name, shard in (("a", b"abc"), ("b", b"abc"), ("c", b"abd")):
        write_site(tmp_path / name, shard=shard)
    a, b, c = (next((tmp_path / n / "models/tiny").glob("weights-*")).name for n in "abc")
    assert a == b != c
    headers = (tmp_path / "a/_headers").read_text()
    assert f"/models/tiny/{a}/*\n  Cache-Control: public, max-age=31536000, immutable" in headers


def test_two_builds_give_identical_bytes(tmp_path: Path) -> None:
    write_site(tmp_path / "a")
    write_site(tmp_path / "b")
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_arrays_are_hashed_as_their_bytes(tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    with SiteWriter(tmp_path / "site") as writer:
        model = writer.model("m", name="M")
        model.add_bytes("x.bin", array)
        assert model.files == {
            "x.bin": {"nbytes": 24, "sha256": hashlib.sha256(array.tobytes()).hexdigest()}
        }
        assert model.nbytes == 24
        model.finish({"version": 1})


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), SiteWriter(tmp_path / "site") as writer:
        writer.model("m", name="M").add_bytes("x.bin", b"x")
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


def test_an_error_leaves_the_former_site(tmp_path: Path) -> None:
    write_site(tmp_path / "site")
    before = tree(tmp_path / "site")
    with pytest.raises(KeyboardInterrupt), SiteWriter(tmp_path / "site", force=True) as writer:
        writer.model("m", name="M").add_bytes("x.bin", b"x")
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == ["site"]
    assert tree(tmp_path / "site") == before


def test_a_site_is_replaced_only_by_force(tmp_path: Path) -> None:
    out = tmp_path / "site"
    write_site(out)
    with pytest.raises(ConfigError) as caught:
        write_site(out)
    assert str(caught.value) == (
        f"{out}: got a site that is there already. Replace it with --force or choose another -o."
    )
    write_site(out, force=True, shard=b"new")
    assert [p.read_bytes() for p in out.rglob("params_shard_0.bin")] == [b"new"]
    assert os.listdir(tmp_path) == ["site"]


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_that_is_not_ours_is_never_replaced(tmp_path: Path, force: bool) -> None:
    out = tmp_path / "home"
    (out / "models").mkdir(parents=True)
    (out / "models" / "index.json").write_text('{"version": 2, "models": []}')
    with pytest.raises(ConfigError) as caught:
        SiteWriter(out, force=force)
    assert str(caught.value) == (
        f"{out}: got a folder that is not empty and was not written by webgemma, expected an "
        "empty one or none. Choose another -o."
    )


def test_a_file_that_somebody_added_is_not_deleted(tmp_path: Path) -> None:
    out = tmp_path / "site"
    write_site(out)
    (out / "CNAME").write_text("example.org")
    with pytest.raises(ConfigError) as caught:
        write_site(out, force=True)
    assert str(caught.value) == (
        f"{out}: got 'CNAME' in the site, which webgemma did not write and would delete. "
        "Move it away or choose another -o."
    )


def test_the_output_may_not_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(ConfigError) as caught:
        SiteWriter(tmp_path / "x")
    assert str(caught.value) == (
        f"{tmp_path / 'x'}: got a file, expected a folder or nothing. Choose another -o."
    )


def test_the_current_folder_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        SiteWriter(".")
    assert str(caught.value) == (
        f"{tmp_path}: got the current folder, expected another: a site's folder is replaced as a "
        "whole. Choose another -o, such as -o site."
    )


def test_an_empty_folder_and_missing_parents_are_fine(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write_site(tmp_path / "empty")
    write_site(tmp_path / "a/b/c")
    assert tree(tmp_path / "empty") == tree(tmp_path / "a/b/c")


def test_too_little_room_is_said_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"got [\d,]+ bytes free on the disk, expected at least"):
        SiteWriter(tmp_path / "site", expected_nbytes=2**62)
    assert os.listdir(tmp_path) == []


def test_a_full_disk_is_one_error_and_leaves_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError) as caught,
        SiteWriter(tmp_path / "site") as writer,
        writer.model("m", name="M").open("x.bin"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert str(caught.value) == (
        f"{tmp_path / 'site/models/m/x.bin'}: cannot be written: No space left on device. "
        "Free space or choose another folder with -o."
    )
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("path", ["../x", "/x", "a//b", "", ".hidden", "a/../b", "a\\b", "x" * 200])
def test_files_stay_inside_the_models_folder(tmp_path: Path, path: str) -> None:
    with pytest.raises(FormatError, match="got file name"), SiteWriter(tmp_path / "s") as writer:
        writer.model("m", name="M").add_bytes(path, b"")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("model_id", ["", "../x", "A", ".x", "a/b", "index.json", "x" * 65])
def test_model_ids_are_plain(tmp_path: Path, model_id: str) -> None:
    with pytest.raises(ConfigError, match="model id: got"), SiteWriter(tmp_path / "s") as writer:
        writer.model(model_id, name="M")


@pytest.mark.parametrize("path", ["x.bin", "X.bin", "webgemma.json"])
def test_a_file_is_written_once_also_where_case_does_not_count(tmp_path: Path, path: str) -> None:
    with pytest.raises(FormatError, match="twice"), SiteWriter(tmp_path / "s") as writer:
        model = writer.model("m", name="M")
        model.add_bytes("x.bin", b"")
        model.add_bytes(path, b"")


def test_a_host_that_does_not_take_the_site_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        write_site(tmp_path / "s", host="cloudflare-pages", shard=bytes(25 * 2**20 + 1))
    message = str(caught.value)
    assert message.startswith("Cloudflare Pages does not take this site: file models/tiny/weights-")
    assert message.endswith(
        "got 26,214,401 bytes, expected at most 26,214,400. Choose another --host, a smaller "
        "model, or keep its weights elsewhere with --weights-url; see docs/hosting.md."
    )
    assert os.listdir(tmp_path) == []


def test_an_unknown_host_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        SiteWriter(tmp_path / "s", host="geocities")
    assert str(caught.value) == (
        "host: got 'geocities', expected one of: any, github-pages, cloudflare-pages, netlify, "
        "hf-space."
    )


# A build in a process of its own: it says how far it is and then waits to be killed.
BUILD = """
import sys, time
from webgemma import staging
from webgemma.resources import data_folder
from webgemma.site import SiteWriter

def pause(where):
    print(where, flush=True)
    if where == sys.argv[2]:
        time.sleep(60)

class Staging(staging.Staging):
    def publish(self):
        pause("written")
        super().publish()

real_rename = staging.Path.rename
def rename(self, target):
    result = real_rename(self, target)
    if "-old-" in str(target):
        pause("between")
    return result

import webgemma.site.writer
webgemma.site.writer.Staging = Staging
staging.Path.rename = rename
with SiteWriter(sys.argv[1], force=True) as site:
    model = site.model("tiny", name="Tiny")
    pause("open")
    with model.open("x.bin") as file:
        file.write(b"new")
        pause("writing")
    model.finish({"version": 1})
"""


def start_build(out: Path, pause_at: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", BUILD, str(out), pause_at], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == pause_at:
            return process
    raise AssertionError(f"the build never came to {pause_at!r}")


@pytest.mark.parametrize("moment", ["open", "writing", "written", "between"])
def test_kill_9_leaves_no_half_site_and_the_next_build_cleans_up(
    tmp_path: Path, moment: str
) -> None:
    out = tmp_path / "site"
    write_site(out)
    before = tree(out)
    with start_build(out, moment) as process:
        process.send_signal(signal.SIGKILL)
    if moment == "between":
        assert not out.exists()
        (former,) = tmp_path.glob(".site.webgemma-old-*")
        assert tree(former) == before
    else:
        assert tree(out) == before
    assert len(os.listdir(tmp_path)) == 2
    next_build = staging.Staging(out)
    next_build.create()
    next_build.discard()
    assert tree(out) == before
    assert os.listdir(tmp_path) == ["site"]


def test_a_second_build_of_the_same_site_waits_for_the_first(tmp_path: Path) -> None:
    out = tmp_path / "site"
    with start_build(out, "writing") as process:
        with pytest.raises(ConfigError) as caught:
            write_site(out)
        process.kill()
    assert str(caught.value) == (
        f"{out}: got a build that is running (process {process.pid}), expected none. Wait for it, "
        "or choose another folder with -o."
    )


def test_the_headers_carry_the_pages_policy(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(
        "<meta http-equiv='Content-Security-Policy'\n content=\"default-src 'none';\n  x 'self';\">"
    )
    policy = web.headers_file(tmp_path, []).splitlines()[1]
    assert policy == (
        "  Content-Security-Policy: default-src 'none'; x 'self'; "
        "frame-src 'self'; frame-ancestors 'self'"
    )
