"""Damaged, missing and wrong files: each is refused by name before any of it is used."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from webgemma.serve import serving

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

from damage import change_json, relative, shard

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

LOAD = """async (options) => {
  const { Engine } = await import("/webgemma/index.js");
  try {
    const engine = await Engine.load("/models/tiny/", { retryPauseMs: 10, ...options });
    const { token_ids } = await engine.generateTokens([1, 2, 3], { maxTokens: 4 });
    await engine.unload();
    return ["loaded", token_ids];
  } catch (error) {
    return [error.name, error.message];
  }
}"""


def load(site: Path, open_page: Callable[..., Any], route: Any = None) -> tuple[str, Any]:
    """Load the model of a site in a fresh page: (error's name, message) or ("loaded", tokens)."""
    with serving(site) as server:
        page: Page = open_page(server).engine()
        if route is not None:
            page.route(*route)
        name, result = page.evaluate(LOAD)
        page.close()
        return name, result


def test_one_flipped_bit_of_a_shard_is_refused(tiny_copy: Path, open_page: Any) -> None:
    path = shard(tiny_copy)
    data = bytearray(path.read_bytes())
    good = hashlib.sha256(data).hexdigest()
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert load(tiny_copy, open_page) == (
        "FormatError",
        f"{relative(path, tiny_copy)}: got SHA-256 {hashlib.sha256(data).hexdigest()[:16]}..., "
        f"expected {good[:16]}.... The file is damaged: upload it again.",
    )


@pytest.mark.parametrize(("change", "more"), [(-1, ""), (1, " or more")])
def test_a_shard_of_another_length_is_refused(
    tiny_copy: Path, open_page: Any, change: int, more: str
) -> None:
    path = shard(tiny_copy)
    data = path.read_bytes()
    path.write_bytes(data[:change] if change < 0 else data + b"x")
    assert load(tiny_copy, open_page) == (
        "FormatError",
        f"{relative(path, tiny_copy)}: got {len(data) + change} bytes{more}, "
        f"expected {len(data)}. Upload the file again.",
    )


def test_a_missing_shard_is_named(tiny_copy: Path, open_page: Any) -> None:
    path = shard(tiny_copy)
    path.unlink()
    assert load(tiny_copy, open_page) == (
        "DownloadError",
        f"{relative(path, tiny_copy)}: the server answered 404 Not Found, expected 200. "
        "Upload the whole site folder again.",
    )


def test_a_web_page_in_place_of_a_shard_is_named(tiny_copy: Path, open_page: Any) -> None:
    path = relative(shard(tiny_copy), tiny_copy)

    def answer(route: Route) -> None:
        route.fulfill(status=200, content_type="text/html", body="<!doctype html>Not found")

    assert load(tiny_copy, open_page, ("**/params_shard_1.bin", answer)) == (
        "DownloadError",
        f"{path}: the server answered with a web page, expected the file. It may send its start "
        "page for missing files: upload the whole site folder again.",
    )


def test_a_broken_connection_is_named(tiny_copy: Path, open_page: Any) -> None:
    path = relative(shard(tiny_copy), tiny_copy)
    route = ("**/params_shard_1.bin", lambda route: route.abort("connectionreset"))
    assert load(tiny_copy, open_page, route) == (
        "DownloadError",
        f"{path}: the server could not be reached. Check the connection and try again.",
    )


def test_a_damaged_copy_in_the_cache_is_fetched_anew(tiny_copy: Path, open_page: Any) -> None:
    import tiny

    path = shard(tiny_copy)
    good = path.read_bytes()
    path.write_bytes(good[::-1])
    with serving(tiny_copy) as server:
        page: Page = open_page(server).engine()
        no_store = {"store": "memory"}  # the browser's own cache is all there is
        assert page.evaluate(LOAD, no_store)[0] == "FormatError"
        path.write_bytes(good)
        url = "/" + path.relative_to(tiny_copy).as_posix()
        first = "async (url) => new Uint8Array(await (await fetch(url)).arrayBuffer())[0]"
        assert page.evaluate(first, url) == good[-1]  # the browser's cache has the damaged copy
        assert page.evaluate(LOAD, no_store) == ["loaded", tiny.generate([1, 2, 3], 4)]
        page.close()


@pytest.mark.parametrize("name", ["program.json", "tokenizer.json", "append.wgsl"])
def test_every_other_file_is_verified_too(tiny_copy: Path, open_page: Any, name: str) -> None:
    path = next(tiny_copy.rglob(name))
    data = path.read_bytes()
    path.write_bytes(data.replace(b"a", b"b", 1))
    kind, message = load(tiny_copy, open_page)
    assert kind == "FormatError"
    assert message.startswith(f"{relative(path, tiny_copy)}: got SHA-256 ")


def test_a_manifest_of_another_version_is_refused(tiny_copy: Path, open_page: Any) -> None:
    change_json(tiny_copy, "webgemma.json", lambda manifest: manifest.update(version=2))
    assert load(tiny_copy, open_page) == (
        "UnsupportedError",
        "webgemma.json: got version 2, expected 1. Build the site again with one version of "
        "webgemma.",
    )


def test_a_manifest_that_is_not_json_is_refused(tiny_copy: Path, open_page: Any) -> None:
    next(tiny_copy.rglob("webgemma.json")).write_text('{"version": 1,')
    kind, message = load(tiny_copy, open_page)
    assert kind == "FormatError"
    assert message.startswith("webgemma.json: not valid JSON (")


def remove_record(cache: Any) -> None:
    del cache["records"][0]["records"][1]


def rename_record(cache: Any) -> None:
    cache["records"][0]["records"][1]["name"] = "other"


def move_record(cache: Any) -> None:
    cache["records"][1]["records"][0]["byteOffset"] = 4


def grow_shard(cache: Any) -> None:
    cache["records"][1]["nbytes"] += 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (remove_record, "got no record 'odd' (1 are missing)."),
        (rename_record, "record 'other' is there twice, or not in program.json."),
        (move_record, "record 'bias#1': got bytes 4 to 1004, expected at most 1000."),
        (
            grow_shard,
            "'params_shard_1.bin': got 1004 bytes, expected 1000 as in webgemma.json.",
        ),
    ],
)
def test_a_tensor_cache_that_does_not_fit_is_refused(
    tiny_copy: Path, open_page: Any, change: Callable[[Any], None], message: str
) -> None:
    change_json(tiny_copy, "ndarray-cache.json", change)
    expected = f"ndarray-cache.json: {message} Build the site again."
    assert load(tiny_copy, open_page) == ("FormatError", expected)


def test_a_limit_beyond_the_adapter_is_named_with_have_and_need(
    tiny_copy: Path, open_page: Any
) -> None:
    need = 1 << 50
    change_json(
        tiny_copy, "webgemma.json", lambda manifest: manifest["limits"].update(maxBufferSize=need)
    )
    kind, message = load(tiny_copy, open_page)
    assert kind == "GpuError"
    assert message.startswith("maxBufferSize: this GPU has ")
    assert message.endswith(f", the model needs {need}. Use a shorter context or a smaller model.")


def test_a_shader_that_does_not_compile_is_named_with_its_line(
    tiny_copy: Path, open_page: Any
) -> None:
    path = next(tiny_copy.rglob("next.subgroups.wgsl"))
    text = path.read_text().replace("= token;", "= token + 1.5;", 1)
    path.write_text(text)
    data = path.read_bytes()
    entry = {"nbytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    change_json(
        tiny_copy,
        "webgemma.json",
        lambda manifest: manifest["files"].update({"shaders/next.subgroups.wgsl": entry}),
    )
    kind, message = load(tiny_copy, open_page)
    assert kind == "GpuError"
    line = next(i for i, row in enumerate(text.splitlines(), 1) if "+ 1.5" in row)
    start = f"shaders/next.subgroups.wgsl: this browser does not compile it: line {line}: "
    assert message.startswith(start)
    assert message.endswith("state.token_id = token + 1.5;")


def test_a_binding_that_does_not_fit_its_shader_is_a_program_error(
    tiny_copy: Path, open_page: Any
) -> None:
    def bind_too_little(program: Any) -> None:
        program["phases"]["decode"][0]["bindings"].pop()

    change_json(tiny_copy, "program.json", bind_too_little)
    kind, message = load(tiny_copy, open_page)
    assert kind == "ProgramError"
    assert message.startswith("program.json does not fit its shaders: ")


def test_a_model_without_a_chat_template_says_so(tiny_copy: Path, open_page: Any) -> None:
    change_json(tiny_copy, "webgemma.json", lambda manifest: manifest.update(chat=None))
    script = """async () => {
      const { Engine } = await import("/webgemma/index.js");
      const engine = await Engine.load("/models/tiny/");
      const request = { messages: [{ role: "user", content: "hi" }] };
      return engine.chat.completions.create(request).catch((error) => [error.name, error.message]);
    }"""
    with serving(tiny_copy) as server:
        page: Page = open_page(server).engine()
        assert page.evaluate(script) == [
            "UnsupportedError",
            "model 'tiny' has no chat template: it continues text and does not chat. "
            "Build it from an instruction-tuned checkpoint, or with --chat-template.",
        ]
        page.close()


def test_loading_can_be_cancelled(tiny_copy: Path, open_page: Any) -> None:
    script = """async () => {
      const { Engine } = await import("/webgemma/index.js");
      const controller = new AbortController();
      const loading = Engine.load("/models/tiny/", { signal: controller.signal });
      setTimeout(() => controller.abort(), 50);
      return loading.then(() => "loaded", (error) => error.name);
    }"""
    with serving(tiny_copy) as server:
        page: Page = open_page(server).engine()
        page.route("**/params_shard_1.bin", lambda route: None)  # never answers
        assert page.evaluate(script) == "AbortError"
        page.close()
