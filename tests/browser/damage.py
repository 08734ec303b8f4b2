"""Damages the files of a built site."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Flips a bit of every stored file, or shortens it; how many there are.
DAMAGE_STORED = """async (change) => {
  const root = await navigator.storage.getDirectory();
  const folder = await root.getDirectoryHandle("webgemma");
  let damaged = 0;
  for await (const [name, handle] of folder) {
    const file = await handle.getFile();
    if (!/^[0-9a-f]{64}$/.test(name) || file.size === 0) continue;
    const bytes = new Uint8Array(await file.arrayBuffer());
    bytes[bytes.length >> 1] ^= 1;
    const stream = await handle.createWritable();
    await stream.write(change === "shorten" ? bytes.slice(0, -1) : bytes);
    await stream.close();
    damaged += 1;
  }
  return damaged;
}"""


def shard(site: Path) -> Path:
    return next(site.rglob("params_shard_1.bin"))


def relative(path: Path, site: Path) -> str:
    return path.relative_to(site / "models/tiny").as_posix()


def change_json(site: Path, name: str, change: Callable[[Any], None]) -> None:
    """Change a JSON file of the model, and its hash in the manifest with it."""
    path = next(site.rglob(name))
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    if name != "webgemma.json":
        data = path.read_bytes()
        entry = {"nbytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        files = {relative(path, site): entry}
        change_json(site, "webgemma.json", lambda manifest: manifest["files"].update(files))
