"""Run JavaScript in Node, for what the page's modules must do as the Python ones."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def run_node(script: Path, argument: object, tmp_path: Path, *, timeout: float = 300) -> Any:
    """Run a module of tests/ with the path of a JSON file, and parse the JSON it prints.

    Skips the test where Node is not installed; with WEBGEMMA_REQUIRE_NODE=1 it fails.
    """
    node = shutil.which("node")
    if node is None:
        reason = "Node is not installed (Debian: apt install nodejs)"
        if os.environ.get("WEBGEMMA_REQUIRE_NODE") == "1":
            pytest.fail(f"{reason}, and WEBGEMMA_REQUIRE_NODE=1", pytrace=False)
        pytest.skip(reason)
    path = tmp_path / "argument.json"
    path.write_text(json.dumps(argument), encoding="utf-8")
    done = subprocess.run(
        [node, str(script), str(path)],
        capture_output=True, encoding="utf-8", timeout=timeout, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
