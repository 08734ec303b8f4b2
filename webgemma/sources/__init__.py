"""Readers of model files: one file per format, chosen by what a file holds, not by its name.

A reader checks everything it takes from a file before it allocates or trusts anything, and yields
a `Checkpoint` whose tensors stay in the file until rows of them are asked for.
"""

from __future__ import annotations

from webgemma.sources.detect import open_checkpoint
from webgemma.sources.mmproj import join_mmproj
from webgemma.sources.samples import read_samples, samples_beside

__all__ = ["join_mmproj", "open_checkpoint", "read_samples", "samples_beside"]
