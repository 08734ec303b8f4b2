"""What a site has of structured output: all of it or nothing, and its policy accordingly."""

from __future__ import annotations

from pathlib import Path

from webgemma.web import content_security_policy, copy_web

LIBRARY = "vendor/xgrammar.js"
LICENCE = "vendor/xgrammar.LICENSE"


def test_a_site_with_it_may_compile_web_assembly(tmp_path: Path) -> None:
    copy_web(tmp_path, structured_output=True)
    policy = content_security_policy(tmp_path)
    assert policy is not None
    assert "script-src 'self' 'wasm-unsafe-eval';" in policy
    assert (tmp_path / LIBRARY).stat().st_size > 1_000_000
    assert "Apache License" in (tmp_path / LICENCE).read_text()
    assert "ebnf" in (tmp_path / "webgemma/structured/xgrammar.js").read_text().lower()


def test_a_site_without_it_has_neither_the_library_nor_the_word_for_it(tmp_path: Path) -> None:
    copy_web(tmp_path)
    policy = content_security_policy(tmp_path)
    assert policy is not None
    assert "script-src 'self';" in policy
    assert "wasm" not in policy
    assert not (tmp_path / LIBRARY).exists()
    assert not (tmp_path / LICENCE).exists()
    assert [path.name for path in (tmp_path / "webgemma/structured").iterdir()] == ["xgrammar.js"]
    assert "--structured-output" in (tmp_path / "webgemma/structured/xgrammar.js").read_text()
