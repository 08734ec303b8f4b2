"""A page of one's own: what is written, what is refused, and that its accent can be read."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.pictures import png
from webgemma import Branding, build_site
from webgemma.errors import ConfigError, FormatError
from webgemma.resources import data_folder
from webgemma.site import check_branding, read_branding
from webgemma.site.contrast import (
    DARK,
    LEAST_CONTRAST,
    LIGHT,
    contrast,
    fit_accent,
    mix,
    parse_colour,
)

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><path d="M0 0h1v1z"/></svg>'


@pytest.fixture
def source(fixtures: Path) -> Path:
    return fixtures / "gemma2-Q4_K.gguf"


def build(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "webgemma", "build", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_options_are_written_and_known_to_the_service_worker(source: Path, tmp_path: Path) -> None:
    site, logo = tmp_path / "site", tmp_path / "our logo.svg"
    logo.write_bytes(SVG)
    result = build(
        source, "-o", site, "-q", "--title", "Ask <us>", "--accent", "#7a3e9d", "--logo", logo,
        "--greeting", "What is it?", "--prompt", "One", "--prompt", "Two",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert json.loads((site / "app/branding.json").read_text()) == {
        "title": "Ask <us>",
        "greeting": "What is it?",
        "prompts": ["One", "Two"],
        "logo": "logo.svg",
    }
    assert (site / "app/logo.svg").read_bytes() == SVG
    assert "--accent: #7a3e9d;" in (site / "app/branding.css").read_text()
    assert "<title>Ask &lt;us&gt;</title>" in (site / "index.html").read_text()
    manifest = json.loads((site / "manifest.webmanifest").read_text())
    assert (manifest["name"], manifest["short_name"]) == ("Ask <us>", "Ask <us>")
    assert manifest["theme_color"] == "#7a3e9d"
    assert manifest["icons"] == [
        {"src": "./app/logo.svg", "sizes": "any", "type": "image/svg+xml", "purpose": "any"}
    ]
    worker = (site / "sw.js").read_text()
    assert all(f'"app/{name}"' in worker for name in ("branding.json", "branding.css", "logo.svg"))


def test_a_small_png_leaves_the_page_its_icon(source: Path, tmp_path: Path) -> None:
    for side, icons in ((64, 2), (192, 1)):
        logo = tmp_path / f"{side}.png"
        logo.write_bytes(png(side, side))
        build_site(source, tmp_path / "site", branding=Branding(logo=logo), force=True)
        manifest = json.loads((tmp_path / "site/manifest.webmanifest").read_text())
        assert manifest["icons"][0]["sizes"] == f"{side}x{side}"
        assert len(manifest["icons"]) == icons


def test_nothing_asked_for_is_the_page_as_it_is(source: Path, tmp_path: Path) -> None:
    build_site(source, tmp_path / "a")
    build_site(source, tmp_path / "b", branding=Branding())
    for name in ("index.html", "manifest.webmanifest", "app/branding.json", "sw.js"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert json.loads((tmp_path / "a/app/branding.json").read_text()) == {}


@pytest.mark.parametrize("suffix", ["toml", "json"])
def test_a_file_has_the_same_names_and_options_win(
    source: Path, tmp_path: Path, suffix: str
) -> None:
    values = {"title": "A", "accent": "#069", "logo": "l.svg", "prompts": ["x", "y"]}
    lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in values.items())
    file = tmp_path / f"brand.{suffix}"
    file.write_text(json.dumps(values) if suffix == "json" else lines)
    (tmp_path / "l.svg").write_bytes(SVG)
    assert read_branding(file) == Branding("A", "#069", tmp_path / "l.svg", None, ("x", "y"))
    out = tmp_path / "site"
    result = build(source, "-o", out, "-q", "--branding", file, "--title", "B", "--prompt", "z")
    assert result.returncode == 0, result.stderr
    words = json.loads((out / "app/branding.json").read_text())
    assert words == {"title": "B", "prompts": ["z"], "logo": "logo.svg"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('colour = "red"', "got key 'colour', expected title, accent, logo, greeting, prompts."),
        ("title = 3", "title: got 3, expected a text."),
        ('prompts = "x"', "prompts: got 'x', expected a list of texts."),
        ("prompts = [1]", "prompts: got [1], expected a list of texts."),
        ("title", "got text that is not TOML: "),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "brand.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_branding(file)
    assert str(caught.value).startswith(f"{file}: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("branding", "message"),
    [
        (Branding(accent="red"), "--accent: got 'red', expected a colour such as #2f6b56."),
        (Branding(accent="#12"), "--accent: got '#12', expected a colour such as #2f6b56."),
        (Branding(title=" "), "--title: got ' ', expected a line of 1 to 60 characters."),
        (
            Branding(greeting="a\nb"),
            "--greeting: got 'a\\nb', expected a line of 1 to 120 characters.",
        ),
        (Branding(prompts=("x",) * 9), "--prompt: got 9 of them, expected at most 8."),
    ],
)
def test_what_cannot_be_shown_is_refused(branding: Branding, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_branding(branding)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"GIF89a", "got a file that is neither PNG nor SVG, expected one."),
        (b"<html/>", "got a root 'html', expected svg."),
        (bytes(300_000), "size: got 300,000 bytes, expected at most 262,144."),
        (png(2000, 10), "got 2,000 x 10 pixels, expected at most 1,024 a side."),
        (SVG.replace(b"<path", b"<script/><path"), "got <script>, expected shapes"),
        (SVG.replace(b"<path", b'<path onload="x()"'), "got attribute 'onload', expected shapes"),
        (SVG.replace(b"<path", b'<a href="//a.b"/><path'), "got a link to '//a.b', expected"),
        (
            SVG.replace(b"<path", b"<style>@import 'x'</style><path"),
            "got \"@import 'x'\", expected shapes",
        ),
        (
            SVG.replace(b"<path", b'<path fill="url(https://a.b)"'),
            "got 'url(https://a.b)', expected shapes",
        ),
        (b"<!DOCTYPE svg>" + SVG, "got an SVG with a document type or a style sheet, expected"),
    ],
)
def test_a_logo_is_a_picture_that_only_draws(tmp_path: Path, content: bytes, message: str) -> None:
    logo = tmp_path / "logo"
    logo.write_bytes(content)
    with pytest.raises(FormatError) as caught:
        check_branding(Branding(logo=logo))
    assert str(caught.value).startswith(f"{logo}: {message}")
    with pytest.raises(ConfigError, match="no such file"):
        check_branding(Branding(logo=tmp_path / "none"))


def test_a_logo_may_point_into_itself(tmp_path: Path) -> None:
    logo = tmp_path / "logo.svg"
    logo.write_bytes(SVG.replace(b"<path", b'<use href="#a"/><path id="a" fill="url(#b)"'))
    assert check_branding(Branding(logo=logo)).words == {"logo": "logo.svg"}


def test_the_ratio_is_wcags() -> None:
    def ratio(first: str, second: str) -> float:
        a, b = parse_colour(first), parse_colour(second)
        assert a is not None
        assert b is not None
        return contrast(a, b)

    assert ratio("#000", "#fff") == pytest.approx(21)
    assert ratio("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)  # WebAIM's example
    assert ratio("#fff", "#767676") == pytest.approx(4.54, abs=0.005)
    assert ratio("#123456", "#123456") == 1


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_every_accent_can_be_read(theme) -> None:
    channels = ("00", "33", "66", "99", "cc", "ff")
    for red in channels:
        for green in channels:
            for blue in channels:
                colour = parse_colour(f"#{red}{green}{blue}")
                assert colour is not None
                made = fit_accent(colour, theme)
                accent = parse_colour(made.accent)
                assert accent is not None
                for ground in (*theme.grounds, made.tint, made.on_accent):
                    other = parse_colour(ground)
                    assert other is not None
                    assert contrast(accent, other) >= LEAST_CONTRAST, (made, ground)
                if made.contrast >= LEAST_CONTRAST:
                    assert made.accent == f"#{red}{green}{blue}"


def test_an_accent_that_had_to_change_is_said(source: Path, tmp_path: Path) -> None:
    result = build(source, "-o", tmp_path / "site", "-q", "--accent", "#ffcc00")
    assert result.returncode == 0
    (warning,) = result.stderr.splitlines()
    assert re.fullmatch(
        r"warning: --accent #ffcc00 has a contrast of 1\.\d in the light page, expected 4\.5 to be "
        r"read: there it is #[0-9a-f]{6}\.",
        warning,
    )
    assert "--accent: #ffcc00;" in (tmp_path / "site/app/branding.css").read_text()  # in the dark


def test_the_grounds_are_those_of_the_style_sheet() -> None:
    text = (data_folder("web") / "app/style.css").read_text()
    light, dark = (dict(re.findall(r"--(\w+): (#\w+);", part)) for part in text.split("@media")[:2])
    for theme, colours in ((LIGHT, light), (DARK, dark)):
        assert theme.paper == colours["paper"]
        assert theme.grounds == tuple(colours[name] for name in ("paper", "raised", "sunken"))
    assert mix((0, 0, 0), (1, 1, 1), 0.25) == (0.25, 0.25, 0.25)
