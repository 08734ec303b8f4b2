"""The page and runtime of a site: what of web/ they are, and the headers they need."""

from __future__ import annotations

import hashlib
import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import rjsmin

from webgemma.bundle import bundle
from webgemma.errors import WebGemmaError
from webgemma.resources import data_folder

WEB_PARTS = {
    "index.html": "index.html",
    "app": "app",
    "runtime": "webgemma",
    "vendor": "vendor",
    "manifest.webmanifest": "manifest.webmanifest",
    "sw.js": "sw.js",
    "widget.js": "widget.js",
}
"""Path in web/ -> path in the site."""
ENTRIES = (
    "app/main.js",
    "webgemma/index.js",
    "webgemma/worker.js",
    "webgemma/compat/webllm.js",
    "webgemma/compat/wllama.js",
    "webgemma/structured/xgrammar.js",
)
"""What browsers are told to run, and pages import; modules that only one needs lie in its file."""
SHARED = "webgemma/shared.js"
"""The modules that several scripts need."""
SERVICE_WORKER = "sw.js"
NO_SHELL = 'const SHELL={version:"",files:{}};'
"""What a build replaces in the service worker, as it is served."""
AS_WRITTEN = ("vendor",)
"""Parts that are served byte for byte: other people's modules, as they published them."""
FOREVER = "  Cache-Control: public, max-age=31536000, immutable, no-transform"
SCRIPTS = "script-src 'self'"
"""The directive of the page's policy that names what it may run."""
CONNECT = "connect-src 'self'"
"""The directive of the page's policy that names whom it may fetch from."""
FRAMES = "frame-src 'self'; frame-ancestors 'self'"
"""Who may frame the chat, and whom pages of the site may: pages of the same origin, each other."""
DIGEST_LENGTH = 16
"""Hexadecimal digits of the page's version."""


def copy_web(folder: Path, *, structured_output: bool = False) -> None:
    """Lay the page and the runtime into a site, its scripts without comments and blanks.

    Args:
        folder: The site's.
        structured_output: With what holds replies to JSON, and leave to run its WebAssembly.

    Raises:
        WebGemmaError: web/vendor of a checkout was not filled.
    """
    web = data_folder("web")
    for source, target in WEB_PARTS.items():
        if not (web / source).exists():
            raise WebGemmaError(
                f"webgemma is not completely installed: got no {web / source}. "
                "In a checkout run: make vendor"
            )
        if (web / source).is_dir():
            shutil.copytree(
                web / source,
                folder / target,
                copy_function=shutil.copyfile,
                ignore=shutil.ignore_patterns(".*", "*.test.js", "*.sha256"),
            )
        else:
            shutil.copyfile(web / source, folder / target)
    if structured_output:
        allow_web_assembly(folder)
    else:
        leave_out_grammars(folder)
    join_modules(folder)


def leave_out_grammars(site: Path) -> None:
    """Take out what holds replies to JSON, and put in its place what says that it is not there."""
    structured = site / WEB_PARTS["runtime"] / "structured"
    absent = (structured / "absent.js").read_bytes()
    shutil.rmtree(structured)
    structured.mkdir()
    (structured / "xgrammar.js").write_bytes(absent)
    for path in (site / WEB_PARTS["vendor"]).glob("xgrammar.*"):
        path.unlink()


def allow_web_assembly(site: Path) -> None:
    """Let the page compile WebAssembly."""
    _add_source(site, SCRIPTS, "'wasm-unsafe-eval'")


def join_modules(site: Path) -> None:
    """Put scripts with what they import in the place of all modules (bundle.py)."""
    scripts = [site / path for path in ENTRIES]
    texts = bundle(scripts, site / SHARED)
    texts |= {path: path.read_text(encoding="utf-8") for path in site.glob("*.js")}
    for part in WEB_PARTS.values():
        for path in (site / part).rglob("*.js"):
            if part not in AS_WRITTEN:
                path.unlink()
    for path, text in texts.items():
        path.write_text(minified(text), encoding="utf-8")


def minified(text: str) -> str:
    """Return a module without comments and blanks, but for those that begin with `/*!`.

    Names, and what the module does, stay: `tests/test_web.py` compares the syntax trees of every
    script that is shipped. (rjsmin takes no template literal inside another.)
    """
    return str(rjsmin.jsmin(text, keep_bang_comments=True))


def write_service_worker(site: Path) -> str:
    """Tell the service worker which files the page has, so that it keeps them as one whole.

    Args:
        site: The folder, with all files of the page as they will be served.

    Returns:
        The version of the page: a digest of their hashes.
    """
    roots = [site / target for target in WEB_PARTS.values() if target != SERVICE_WORKER]
    paths = [path for root in roots for path in (root, *root.rglob("*")) if path.is_file()]
    hashes = {
        path.relative_to(site).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(paths)
        if not path.name.endswith(".d.ts")
    }
    worker = site / SERVICE_WORKER
    text = worker.read_text(encoding="utf-8")
    assert text.count(NO_SHELL) == 1, "sw.js has its line"
    digest = hashlib.sha256((json.dumps(hashes) + text).encode()).hexdigest()[:DIGEST_LENGTH]
    shell = json.dumps({"version": digest, "files": hashes})
    worker.write_text(text.replace(NO_SHELL, f"const SHELL={shell};"), encoding="utf-8")
    return digest


def allow_connections(site: Path, sources: str) -> None:
    """Let the page fetch from other origins too: sources of its Content-Security-Policy."""
    _add_source(site, CONNECT, sources)


def _add_source(site: Path, directive: str, sources: str) -> None:
    """Add to a directive of the page's Content-Security-Policy."""
    page = site / "index.html"
    text = page.read_text(encoding="utf-8")
    assert text.count(directive) == 1, "index.html has its policy"
    page.write_text(text.replace(directive, f"{directive} {sources}"), encoding="utf-8")


def headers_file(site: Path, hashed_folders: list[str]) -> str:
    """Return `_headers`, which Cloudflare Pages and Netlify read.

    Args:
        site: The folder with index.html, whose Content-Security-Policy is sent as a header too,
            so that workers have it.
        hashed_folders: Paths whose files never change.
    """
    lines = ["/*"]
    policy = content_security_policy(site)
    if policy:
        lines.append(f"  Content-Security-Policy: {policy}")
    lines += ["  X-Content-Type-Options: nosniff", "  Referrer-Policy: no-referrer"]
    for path in hashed_folders:
        lines += [f"/{path}/*", FOREVER]
    return "\n".join(lines) + "\n"


def weights_headers_file() -> str:
    """Return `_headers` for a folder of weights on an origin of its own."""
    lines = ["/*", "  Access-Control-Allow-Origin: *", "  X-Content-Type-Options: nosniff"]
    return "\n".join([*lines, "/*/weights-*", FOREVER]) + "\n"


def content_security_policy(site: Path) -> str | None:
    """Return the policy of the site's page as one line for a header; None if it has none.

    FRAMES is added: a meta element may not say who frames its page, and the header is sent with
    pages of the site that have the widget, too.
    """
    page = site / "index.html"
    if not page.is_file():
        return None
    finder = _PolicyFinder()
    finder.feed(page.read_text(encoding="utf-8"))
    return f"{finder.policy}; {FRAMES}" if finder.policy else None


class _PolicyFinder(HTMLParser):
    """Finds <meta http-equiv="Content-Security-Policy" content="...">."""

    policy: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        kind = (attributes.get("http-equiv") or "").lower()
        if tag == "meta" and kind == "content-security-policy" and self.policy is None:
            self.policy = " ".join((attributes.get("content") or "").split()).rstrip("; ") or None
