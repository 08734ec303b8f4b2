"""The documentation says what the program does: commands, options, links, files."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from webgemma.hosts import HOSTS

ROOT = Path(__file__).parent.parent
COMMANDS = (
    "build", "serve", "demo", "run", "eval", "bench", "convert", "inspect", "estimate", "doctor",
)  # fmt: skip
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("models/*/README.md")])
README = (ROOT / "README.md").read_text(encoding="utf-8")


def help_of(*arguments: str) -> str:
    command = [sys.executable, "-m", "webgemma", *arguments, "--help"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_commands_are_those_that_help_lists() -> None:
    listed = re.findall(r"^  ([a-z]+)  ", help_of().partition("Commands:")[2], re.MULTILINE)
    assert tuple(listed) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_teaches_by_example(command: str) -> None:
    text = help_of(command)
    assert f"\n  Examples:\n    webgemma {command}" in text
    options = text.partition("Options:\n")[2].partition("\n\n")[0]
    entries = re.split(r"\n(?=  -)", options)
    assert [entry for entry in entries if not re.search(r"\S {2,}\S", entry.strip())] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_readme(command: str) -> None:
    assert f"webgemma {command}" in README


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_options_that_pages_name_exist() -> None:
    known = set(re.findall(r"--[a-z-]+", " ".join(map(help_of, COMMANDS)))) | {"--version"}
    named = set()
    for page in PAGES:
        for line in re.findall(r"webgemma [a-z]+ [^\n`]*", page.read_text(encoding="utf-8")):
            named |= set(re.findall(r"(?<=\s)--[a-z-]+", line))
    assert sorted(named - known) == []


def test_the_hosting_page_has_every_host() -> None:
    page = (ROOT / "docs/hosting.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([a-z][a-z-]*)`", page, re.MULTILINE) == list(HOSTS)


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_the_changelog_begins_with_what_is_not_released() -> None:
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert headings[0] == "[Unreleased]"
