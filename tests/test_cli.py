"""The command line as a user meets it: in a process of its own, by exit code, stdout and stderr."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from webgemma.program.spec import VARIANTS
from webgemma.version import __version__

FIXTURE = Path(__file__).parent / "fixtures" / "gemma2-F16.gguf"


def webgemma(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "webgemma", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, input=stdin, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cli") / "site"
    result = webgemma("build", FIXTURE, "-o", out, "--model-id", "tiny", "--name", "Tiny")
    assert result.returncode == 0, result.stderr
    return out


def test_version() -> None:
    result = webgemma("--version")
    assert (result.returncode, result.stdout) == (0, f"webgemma {__version__}\n")


def test_help_is_quick_and_without_arguments_the_same() -> None:
    seconds = []
    for arguments in ([], ["--help"], ["-h"]):
        start = time.perf_counter()
        result = webgemma(*arguments)
        seconds.append(time.perf_counter() - start)
        assert result.returncode == 0
        assert result.stdout.startswith("Usage: webgemma [OPTIONS] COMMAND [ARGS]...")
        assert result.stderr == ""
    assert min(seconds) < 0.8  # 0.2 on a machine left alone


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bogus"], "No such command 'bogus'. Try: webgemma --help"),
        (["build"], "Missing argument 'SOURCE'. Try: webgemma build --help"),
        (["build", "x"], None),
        (["serve", "--port", "x", "y"], None),
        (["run", "x", "--json"], "Invalid value: --json needs a PROMPT. Try: webgemma run --help"),
        (["doctor", "--bogus"], "No such option: --bogus. Try: webgemma doctor --help"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(arguments: list[str], message: str | None) -> None:
    result = webgemma(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert re.fullmatch(r"error: .*\n", result.stderr)
    if message is not None:
        assert result.stderr == f"error: {message}\n"


def test_a_failure_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    result = webgemma("serve", tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        f"error: {tmp_path}: got no models/index.json, expected a site that webgemma built. "
        f"Build one with: webgemma build MODEL -o {tmp_path}\n"
    )


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    result = webgemma("serve", tmp_path, "--debug")
    assert result.returncode == 1
    assert result.stderr.startswith("Traceback (most recent call last):\n")
    assert result.stderr.splitlines()[-1].startswith("error: ")


def test_a_missing_model_leaves_nothing(tmp_path: Path) -> None:
    result = webgemma("build", tmp_path / "none.gguf", "-o", tmp_path / "site")
    assert (result.returncode, result.stdout) == (1, "")
    assert re.fullmatch(rf"error: {re.escape(str(tmp_path))}/none\.gguf: .*\n", result.stderr)
    assert os.listdir(tmp_path) == []


def test_build_says_what_it_built_on_stdout_and_progress_on_stderr(tmp_path: Path) -> None:
    result = webgemma("build", FIXTURE, "-o", tmp_path / "site")
    assert result.returncode == 0
    lines = dict(re.split(r"\s{2,}", line) for line in result.stdout.splitlines())
    assert lines["site"] == str(tmp_path / "site")
    assert lines["next"] == f"webgemma serve {tmp_path / 'site'}"
    stages = [line.split()[0] for line in result.stderr.splitlines()]
    assert {"hashing", "packing"} <= set(stages)
    assert result.stderr.count("100 %") == len(set(stages))


def test_build_json_is_one_object(tmp_path: Path) -> None:
    result = webgemma("build", FIXTURE, "-o", tmp_path / "site", "--json", "--quiet")
    (report,) = json.loads(result.stdout)["models"]
    assert result.stderr == ""
    assert report["source_nbytes"] == FIXTURE.stat().st_size
    assert 0 < report["weights_nbytes"] <= report["source_nbytes"] * 1.03
    assert report["program"]["dispatches_per_layer"]["decode"] <= 10


def test_a_site_is_replaced_with_force_only(site: Path, tmp_path: Path) -> None:
    out = tmp_path / "site"
    assert webgemma("build", FIXTURE, "-o", out, "-q").returncode == 0
    again = webgemma("build", FIXTURE, "-o", out, "-q")
    assert again.returncode == 1
    assert again.stderr == (
        f"error: {out}: got a site that is there already. Replace it with --force or choose "
        "another -o.\n"
    )
    assert webgemma("build", FIXTURE, "-o", out, "-q", "--force").returncode == 0


def test_inspect_shows_a_site_a_program_and_a_source(site: Path) -> None:
    shown = webgemma("inspect", site)
    assert re.search(r"^architecture +gemma2$", shown.stdout, re.MULTILINE)
    program = webgemma("inspect", site, "--program")
    assert re.search(r"^decode +\d+ +\d+$", program.stdout, re.MULTILINE)
    assert re.search(r"^storage buffers +at most [1-8] bound", program.stdout, re.MULTILINE)
    source = webgemma("inspect", FIXTURE)
    assert re.search(r"^blk\.0\.attn_q\.weight +F16 +256 x 256 ", source.stdout, re.MULTILINE)
    assert [r.returncode for r in (shown, program, source)] == [0, 0, 0]


def test_inspect_json_is_one_object(site: Path) -> None:
    assert json.loads(webgemma("inspect", site, "--json").stdout)["id"] == "tiny"
    report = json.loads(webgemma("inspect", site, "--program", "--json").stdout)["report"]
    assert report["most_storage_buffers"] <= 8
    tensors = json.loads(webgemma("inspect", FIXTURE, "--json").stdout)["tensors"]
    assert {"name", "type", "shape", "nbytes"} == set(tensors[0])


def test_estimate_is_a_table_or_one_object(site: Path) -> None:
    shown = webgemma("estimate", site)
    assert shown.stdout.startswith("Memory in the browser (as built)\ncontext  variant  weights")
    data = json.loads(webgemma("estimate", FIXTURE, "--context", "64", "--json").stdout)
    assert {row["context_window_size"] for row in data["memory"]} == {64}
    assert {device["name"] for device in data["devices"]} >= {"phone, 4 GiB"}


def test_an_estimate_beyond_the_model_is_refused(site: Path) -> None:
    result = webgemma("estimate", site, "--context", "100000")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        "error: --context: got 100000, expected 1 to 512 (the model's maximum).\n"
    )


def test_inspect_names_a_damaged_program(site: Path, tmp_path: Path) -> None:
    model = tmp_path / "tiny"
    model.mkdir()
    (model / "webgemma.json").write_text('{"version": 1, "files": {}}')
    (model / "program.json").write_text('{"version": 1}')
    result = webgemma("inspect", model, "--program")
    assert result.returncode == 1
    assert result.stderr == (
        f"error: {model}/program.json: got no program of this version ('architecture'). "
        "Build the site again.\n"
    )


@pytest.mark.gpu
def test_run_prints_the_answer_and_nothing_else(site: Path) -> None:
    result = webgemma("run", site, "Hello", "--max-tokens", "4", "--temperature", "0")
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith("\n")
    assert re.fullmatch(r"\(4 tokens, [\d.]+ per second, length\)\n", result.stderr)


@pytest.mark.gpu
def test_run_json_has_tokens_text_reason_and_timings(site: Path) -> None:
    options = ("--top-k", "5", "--top-p", "0.9", "--seed", "7", "--max-tokens", "4", "--json")
    results = [
        json.loads(webgemma("run", site, *prompt, *options, **stdin).stdout)
        for prompt, stdin in ((["Hello"], {}), (["-"], {"stdin": "Hello"}))
    ]
    for result in results:
        timings = result.pop("timings")
        assert set(timings) >= {"load_s", "prefill_s", "decode_s", "decode_tokens_per_s"}
        assert set(result) == {"prompt_tokens", "tokens", "text", "finish_reason"}
    assert results[0] == results[1]
    assert (len(results[0]["tokens"]), results[0]["finish_reason"]) == (4, "length")


@pytest.mark.gpu
def test_run_without_a_prompt_answers_line_by_line(site: Path) -> None:
    typed = "one\n\n/new\ntwo\n/quit\nthree\n"
    result = webgemma("run", site, "--max-tokens", "2", "--temperature", "0", stdin=typed)
    assert result.returncode == 0
    assert result.stderr.startswith("The model has no chat template: it continues each line.\n")
    assert result.stderr.count("(2 tokens,") == 2


@pytest.mark.gpu
def test_run_refuses_a_wrong_option(site: Path) -> None:
    result = webgemma("run", site, "Hello", "--top-p", "2")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "error: request: 'top_p': got 2, expected a number from 0 to 1.\n"


@pytest.mark.gpu
def test_run_refuses_what_does_not_fit(site: Path) -> None:
    result = webgemma("run", site, "word " * 2000)
    assert (result.returncode, result.stdout) == (1, "")
    assert re.fullmatch(r"error: prompt: got \d+ tokens, expected 1 to 512 .*\n", result.stderr)


@pytest.mark.gpu
def test_doctor_names_what_will_run() -> None:
    result = webgemma("doctor")
    assert result.returncode == 0
    assert re.search(r"^webgemma run +runs, with the \S+ shaders$", result.stdout, re.MULTILINE)
    assert result.stderr == ""
    report = json.loads(webgemma("doctor", "--json").stdout)
    assert report["variant"] in {variant.name for variant in VARIANTS}


class Served:
    """A command that serves, until it is told to stop."""

    def __init__(self, *arguments: str, env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "webgemma", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(env or {})},
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=10) as response:
            body: bytes = response.read()
            return body

    def stop(self) -> tuple[int, str]:
        self.process.send_signal(signal.SIGINT)
        _, stderr = self.process.communicate(timeout=10)
        return self.process.returncode, stderr


def test_serve_prints_its_address_and_ends_with_ctrl_c(site: Path) -> None:
    running = Served("serve", str(site), "--port", "0")
    index = json.loads(running.get("models/index.json"))
    assert index["models"] == [{"id": "tiny", "name": "Tiny"}]
    assert running.stop() == (0, "Serving until Ctrl-C.\n")


def test_serving_to_other_machines_is_warned_of(site: Path) -> None:
    running = Served("serve", str(site), "--port", "0", "--host", "0.0.0.0")
    code, stderr = running.stop()
    assert code == 0
    assert stderr.startswith(
        "warning: every machine that reaches 0.0.0.0 can read this site. Browsers give WebGPU to "
        "https and to this machine's own addresses only.\n"
    )


def test_demo_builds_into_the_cache_and_serves(tmp_path: Path) -> None:
    env = {"XDG_CACHE_HOME": str(tmp_path)}
    running = Served("demo", "--no-browser", "--port", "0", env=env)
    assert b"<title>" in running.get("")
    assert json.loads(running.get("models/index.json"))["models"][0]["id"] == "pebble"
    assert running.stop()[0] == 0
    assert os.listdir(tmp_path / "webgemma") == [f"demo-{__version__}"]
