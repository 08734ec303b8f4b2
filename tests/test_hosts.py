"""What a site is for each host: the files it reads, its limits, and weights that lie elsewhere."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from webgemma import layout
from webgemma.build import build_site
from webgemma.errors import ConfigError, FormatError
from webgemma.hosts import HOSTS, check_weights_url, connect_sources
from webgemma.resources import built_in_model
from webgemma.runtime.shards import open_site_model
from webgemma.site import SiteWriter
from webgemma.web import content_security_policy

URL = "https://huggingface.co/me/weights/resolve/main"


def write(out: Path, **options: Any) -> Path:
    with SiteWriter(out, **options) as site:
        model = site.model("tiny", name='Ti"ny')
        model.add_bytes("weights/ndarray-cache.json", b"{}")
        model.add_bytes("weights/params_shard_0.bin", b"abc")
        folder = f"weights-{model.digest('weights')}"
        model.rename_folder("weights", folder)
        model.add_json("program.json", {})
        model.finish({"version": 1, "weights": {"path": f"{folder}/"}})
    return out


@pytest.mark.parametrize(
    ("host", "files"),
    [
        ("any", {"_headers", ".nojekyll"}),
        ("github-pages", {".nojekyll"}),
        ("cloudflare-pages", {"_headers"}),
        ("netlify", {"_headers"}),
        ("hf-space", {"README.md", ".gitattributes"}),
    ],
)
def test_a_host_gets_the_files_it_reads(tmp_path: Path, host: str, files: set[str]) -> None:
    site = write(tmp_path / "site", host=host)
    page = {"app", "webgemma", "vendor", "models"}
    page |= {"index.html", "manifest.webmanifest", "sw.js", "widget.js"}
    assert set(os.listdir(site)) == page | files
    write(site, host="any", force=True)  # they are ours: another build may replace them
    assert set(os.listdir(site)) == page | {"_headers", ".nojekyll"}


def test_a_readme_that_somebody_added_is_not_deleted(tmp_path: Path) -> None:
    site = write(tmp_path / "site", host="github-pages")
    (site / "README.md").write_text("my model")
    with pytest.raises(ConfigError) as caught:
        write(site, force=True)
    assert str(caught.value) == (
        f"{site}: got 'README.md' in the site, which webgemma did not write and would delete. "
        "Move it away or choose another -o."
    )


def test_every_host_is_tested() -> None:
    (mark,) = test_a_host_gets_the_files_it_reads.pytestmark  # type: ignore[attr-defined]
    assert [host for host, _ in mark.args[1]] == list(HOSTS)


def test_a_space_says_what_it_is(tmp_path: Path) -> None:
    site = write(tmp_path / "site", host="hf-space")
    assert (site / "README.md").read_text() == (
        '---\ntitle: "Ti\\"ny"\nsdk: "static"\napp_file: "index.html"\npinned: false\n---\n'
    )
    assert (site / ".gitattributes").read_text() == "*.bin filter=lfs diff=lfs merge=lfs -text\n"


def test_a_model_too_large_for_a_host_is_refused_before_it_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        SiteWriter(tmp_path / "site", host="github-pages", expected_nbytes=1_700_000_000)
    assert str(caught.value) == (
        "GitHub Pages does not take this site: its weights: got 1,700,000,000 bytes, expected at "
        "most 1,000,000,000. Choose another --host, a smaller model, or keep its weights elsewhere "
        "with --weights-url; see docs/hosting.md."
    )
    SiteWriter(
        tmp_path / "site", host="github-pages", expected_nbytes=1_700_000_000, weights_url=URL
    )
    assert os.listdir(tmp_path) == []


def test_weights_for_elsewhere_lie_beside_the_site(tmp_path: Path) -> None:
    site = write(tmp_path / "site", weights_url=URL)
    assert sorted(os.listdir(tmp_path)) == ["site", "site-weights"]
    manifest = json.loads((site / "models/tiny/webgemma.json").read_text())
    assert manifest["weights"]["url"] == f"{URL}/tiny/"
    assert not list(site.rglob("*.bin"))
    folder = tmp_path / "site-weights/tiny" / manifest["weights"]["path"]
    assert sorted(os.listdir(folder)) == ["ndarray-cache.json", "params_shard_0.bin"]
    headers = (tmp_path / "site-weights/_headers").read_text()
    assert "  Access-Control-Allow-Origin: *\n" in headers
    assert "weights-" not in (site / "_headers").read_text()


def test_the_policy_allows_the_origin_of_the_weights_and_no_more(tmp_path: Path) -> None:
    policy = content_security_policy(write(tmp_path / "site", weights_url=URL))
    plain = content_security_policy(write(tmp_path / "plain"))
    assert policy is not None
    assert plain is not None
    sources = "https://huggingface.co https://*.huggingface.co https://*.hf.co"
    assert policy == plain.replace("connect-src 'self'", f"connect-src 'self' {sources}")
    assert f"connect-src 'self' {sources};" in (tmp_path / "site/_headers").read_text()
    assert connect_sources("https://cdn.example:8443/x/") == "https://cdn.example:8443"


def test_a_site_and_its_weights_are_replaced_together_and_only_by_force(tmp_path: Path) -> None:
    site = write(tmp_path / "site", weights_url=URL)
    shutil.rmtree(site)
    with pytest.raises(ConfigError) as caught:
        write(site, weights_url=URL)
    assert str(caught.value) == (
        f"{site}-weights: got weights that are there already. Replace them with --force or "
        "choose another -o."
    )
    write(site, weights_url=URL, force=True)
    (tmp_path / "other-weights").mkdir()
    (tmp_path / "other-weights/letter.txt").touch()
    with pytest.raises(ConfigError) as caught:
        write(tmp_path / "other", weights_url=URL, force=True)
    assert str(caught.value) == (
        f"{tmp_path / 'other-weights'}: got something there that webgemma did not write, expected "
        "an empty folder or none for the weights. Choose another -o."
    )


def test_an_error_leaves_neither_site_nor_weights(tmp_path: Path) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        SiteWriter(tmp_path / "site", weights_url=URL) as site,
    ):
        site.model("m", name="M").add_bytes("weights/x.bin", b"x")
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "ftp://example.org/",
        "https://",
        "https:///x",
        "/weights",
        "https://example.org/?a=b",
        "https://example.org/#x",
        "https://user@example.org/",
        "https://example.org/; script-src *",
        'https://example.org/"><script>',
        "https://example.org/'unsafe-eval'",
        "https://example.org/a,b",
        "https://example.org/\n/*",
    ],
)
def test_an_address_that_is_no_folder_is_refused(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_weights_url(url)
    assert str(caught.value) == (
        f"--weights-url: got {url!r}, expected an https address of a folder, such as "
        "https://huggingface.co/me/weights/resolve/main/."
    )


def test_this_machine_may_hold_the_weights_without_https() -> None:
    assert check_weights_url("http://127.0.0.1:9000") == "http://127.0.0.1:9000/"
    assert check_weights_url("http://localhost/x/") == "http://localhost/x/"


def test_the_native_runner_finds_weights_beside_the_site(tmp_path: Path) -> None:
    build_site(built_in_model(), tmp_path / "site", model_id="pebble", weights_url=URL)
    model = open_site_model(tmp_path / "site")
    nbytes = sum(data.nbytes for shard in model.shards() for _, data in shard)
    assert 0 < nbytes <= model.manifest["weights"]["nbytes"]
    (tmp_path / "site-weights").rename(tmp_path / "uploaded")
    cache = model.manifest["weights"]["path"] + layout.TENSOR_CACHE
    with pytest.raises(FormatError) as caught:
        next(model.shards())
    assert str(caught.value) == (
        f"{model.folder / cache}: got no such file, expected it there or at "
        f"{tmp_path / 'site-weights/pebble' / cache}. The site keeps its weights at "
        f"{URL}/pebble/: copy them from there."
    )
