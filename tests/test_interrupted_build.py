"""Whatever stops a build, nothing half-written stands under the site's name."""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

FIXTURE = Path(__file__).parent / "fixtures" / "gemma2-F16.gguf"
NUM_MOMENTS = 20
MIB = 1024 * 1024


def command(out: Path, *options: str) -> list[str]:
    return [
        *(sys.executable, "-m", "webgemma", "build", str(FIXTURE), "-o", str(out), "--quiet"),
        *options,
    ]


def hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], float]:
    """The hashes of a site that was built undisturbed, and the seconds that took."""
    out = tmp_path_factory.mktemp("whole") / "site"
    start = time.perf_counter()
    subprocess.run(command(out), check=True, capture_output=True)
    return hashes(out), time.perf_counter() - start


def test_two_builds_give_identical_bytes(
    whole: tuple[dict[str, str], float], tmp_path: Path
) -> None:
    subprocess.run(command(tmp_path / "again"), check=True, capture_output=True)
    assert hashes(tmp_path / "again") == whole[0]


def is_whole(site: Path) -> bool:
    """Return whether a site has the page, and every file that its manifests name, as they say."""
    models = list((site / "models").glob("*/webgemma.json"))
    for path in models:
        files = json.loads(path.read_bytes())["files"]
        found = {name: sha256 for name, sha256 in hashes(path.parent).items() if name in files}
        if found != {name: entry["sha256"] for name, entry in files.items()}:
            return False
    names = ("index.html", "models/index.json", "_headers", "webgemma/index.js")
    return len(models) == 1 and all((site / name).is_file() for name in names)


@pytest.mark.slow
@pytest.mark.parametrize("replaces", [False, True], ids=["new", "replacing"])
def test_kill_9_at_any_moment(
    whole: tuple[dict[str, str], float], tmp_path: Path, replaces: bool
) -> None:
    out = tmp_path / "site"
    options = ["--force"] if replaces else []
    if replaces:
        subprocess.run(command(out), check=True, capture_output=True)
    for moment in range(NUM_MOMENTS):
        with subprocess.Popen(
            command(out, *options), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            time.sleep(whole[1] * moment / NUM_MOMENTS)
            process.kill()
        former = [path for path in tmp_path.iterdir() if "-old-" in path.name]
        if replaces and not out.exists():  # killed between the two renames
            assert [is_whole(path) for path in former] == [True]
        elif out.exists():
            assert is_whole(out)
    subprocess.run(command(out, "--force"), check=True, capture_output=True)
    assert os.listdir(tmp_path) == ["site"]
    assert is_whole(out)


def test_ctrl_c_cleans_up(tmp_path: Path) -> None:
    out = tmp_path / "site"
    with subprocess.Popen(
        command(out), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        while not os.listdir(tmp_path) and process.poll() is None:
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate()
    if out.exists():  # it was quicker
        assert is_whole(out)
    else:
        assert (process.returncode, stderr) == (130, "interrupted\n")
    assert [name for name in os.listdir(tmp_path) if name != "site"] == []


@pytest.mark.parametrize(
    ("most", "where"),
    [(0.5, ""), (3, r"/models/\S+/weights/params_shard_0\.bin")],
    ids=["page", "weights"],
)
def test_a_disk_that_takes_no_more_is_one_error(tmp_path: Path, most: float, where: str) -> None:
    out, nbytes = tmp_path / "site", int(most * MIB)
    result = subprocess.run(
        command(out),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (nbytes, nbytes)),
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert re.fullmatch(
        rf"error: {re.escape(str(out))}{where}: cannot be written: "
        r"File too large\. Free space or choose another folder with -o\.\n",
        result.stderr,
    )
    assert os.listdir(tmp_path) == []
