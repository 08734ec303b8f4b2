"""`webgemma convert` as a user meets it: exit codes, stdout and stderr, all of a folder or none."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

from webgemma.sources import open_checkpoint

FIXTURE = Path(__file__).parents[1] / "fixtures" / "gemma2-F16.gguf"
QUANTIZED = FIXTURE.with_name("gemma-Q4_1.gguf")
MIB = 1 << 20


def command(source: Path, out: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "webgemma", "convert", str(source), "-o", str(out), *options]


def run(source: Path, out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(source, out, *options), capture_output=True, text=True, check=False
    )


def test_json_on_stdout_progress_and_warnings_on_stderr(tmp_path: Path) -> None:
    done = run(QUANTIZED, tmp_path / "out", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 0
    assert report["quantization"] == "q4f16_1"
    assert report["path"] == str(tmp_path / "out")
    assert report["num_files"] == len(os.listdir(tmp_path / "out"))
    assert re.search(r"^packing .*100 %", done.stderr, re.MULTILINE)
    assert [line for line in done.stderr.splitlines() if line.startswith("warning: ")] == [
        f"warning: {warning}" for warning in report["warnings"]
    ]
    assert len(report["warnings"]) == 1
    assert open_checkpoint(tmp_path / "out").architecture == "gemma"


def test_text(tmp_path: Path) -> None:
    done = run(FIXTURE, tmp_path / "out", "--quantization", "q0f32", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert lines["model"] == "gemma2, q0f32"
    assert lines["parameters"] == "2,034,944"


def test_failures_are_one_line(tmp_path: Path) -> None:
    done = run(tmp_path / "none.gguf", tmp_path / "out")
    assert (done.returncode, done.stdout) == (1, "")
    error = done.stderr.splitlines()[-1]
    assert error == f"error: {tmp_path / 'none.gguf'}: no such file. Check the path."
    done = run(FIXTURE, tmp_path / "out", "--bogus")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: No such option: --bogus. Try: webgemma convert --help\n"
    assert os.listdir(tmp_path) == []


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = subprocess.run(
        command(FIXTURE, out, "--quiet"),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, MIB)),
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"error: {out}/params_shard_0.bin: cannot be written: File too large. Free space or "
        "choose another folder with -o.\n"
    )
    assert os.listdir(tmp_path) == []


def test_kill_9_leaves_the_folder_that_was_there(tmp_path: Path) -> None:
    out = tmp_path / "out"
    start = time.perf_counter()
    assert run(FIXTURE, out, "--quiet").returncode == 0
    seconds = time.perf_counter() - start
    before = (out / "tensor-cache.json").read_bytes()
    for moment in (0.5, 0.8, 0.95):
        with subprocess.Popen(
            command(FIXTURE, out, "--quiet", "--force", "--quantization", "q0f16"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            time.sleep(seconds * moment)
            process.kill()
        if out.exists() and (out / "tensor-cache.json").read_bytes() == before:
            continue
        open_checkpoint(out)  # it was quicker, and the new folder is whole
    assert run(FIXTURE, out, "--quiet", "--force").returncode == 0
    assert (out / "tensor-cache.json").read_bytes() == before
    assert os.listdir(tmp_path) == ["out"]
