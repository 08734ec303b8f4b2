"""Hashes of a source's weight files: for the manifest, and against what the source lists."""

from __future__ import annotations

import hashlib

from webgemma.checkpoint import Checkpoint
from webgemma.errors import FormatError
from webgemma.progress import Progress

HASH_CHUNK_NBYTES = 2 << 20  # a millisecond: between chunks, the thread waits for Python's lock


def hash_files(checkpoint: Checkpoint, progress: Progress) -> dict[str, str]:
    """SHA-256 of every source file, by name.

    Raises:
        FormatError: a file is not the one whose MD5 the source lists.
    """
    total = sum(path.stat().st_size for path in checkpoint.files)
    done = 0
    hashes = {}
    buffer = memoryview(bytearray(HASH_CHUNK_NBYTES))
    for path in checkpoint.files:
        digest, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        listed = checkpoint.md5.get(path.name)
        with path.open("rb", buffering=0) as file:
            while count := file.readinto(buffer):
                digest.update(buffer[:count])
                if listed is not None:
                    md5.update(buffer[:count])
                done += count
                progress("hashing", done, total)
        if listed not in (None, md5.hexdigest()):
            msg = (
                f"{path}: got a file with MD5 {md5.hexdigest()}, expected {listed} as listed "
                "beside it. The file is damaged; fetch it again."
            )
            raise FormatError(msg)
        hashes[path.name] = digest.hexdigest()
    return hashes
