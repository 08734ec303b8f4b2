"""Puts an evaluation's figures into webgemma.json of the sites, where the page finds them.

The manifest lists the hashes of all other files and no hash of itself, so nothing else changes.
There is no date in it: the same evaluation gives the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from webgemma.evaluate.evaluate import Evaluation, Result
from webgemma.evaluate.scores import Estimate
from webgemma.layout import MANIFEST, read_manifest
from webgemma.site import to_json
from webgemma.staging import cannot_write
from webgemma.version import __version__

SIGNIFICANT_DIGITS = 6
"""More than any figure's error leaves certain; drivers round differently behind them."""


def record_quality(evaluation: Evaluation) -> None:
    """Write `quality` into the manifest of every site of an evaluation.

    Raises:
        ConfigError: a manifest cannot be written.
        FormatError: one is broken.
    """
    for result in evaluation.results:
        write_key(result.model.folder, "quality", quality(evaluation, result))


def quality(evaluation: Evaluation, result: Result) -> dict[str, Any]:
    """What a manifest says of its model (docs/program.md has an example)."""
    chunks, text = evaluation.chunks, evaluation.text
    figures: dict[str, Any] = {
        "tool": f"webgemma {__version__}",
        "text": {"name": text.name, "sha256": text.sha256},
        "context": chunks.context,
        "chunks": len(chunks.tokens),
        "scored_tokens": chunks.num_scored,
        "variant": result.variant,
        "perplexity": estimate(result.perplexity),
    }
    far, reference = result.divergence, evaluation.reference
    if far is None or reference is None:
        return figures
    manifest = reference.model.manifest
    return {
        **figures,
        "reference": {
            "name": manifest["name"],
            "storage": list(manifest["storage"]),
            "perplexity": estimate(reference.perplexity),
        },
        "kl_divergence": {
            **estimate(far.mean),
            "far": rounded(far.far),
            "maximum": rounded(far.maximum),
        },
        "same_top": estimate(far.same_top),
    }


def estimate(figure: Estimate) -> dict[str, float]:
    """A figure and its error, as JSON."""
    return {"value": rounded(figure.value), "error": rounded(figure.error)}


def rounded(value: float) -> float:
    """A number to SIGNIFICANT_DIGITS.

    >>> rounded(12.3456789)
    12.3457
    """
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")


def write_key(folder: Path, key: str, value: Mapping[str, Any]) -> None:
    """Set one key of a model's manifest; the file is the old one or the new one, never a part.

    Raises:
        ConfigError: it cannot be written.
        FormatError: it is broken.
    """
    manifest = {**read_manifest(folder), key: value}
    manifest["files"] = manifest.pop("files")  # the last key, as ModelWriter leaves it
    path = folder / MANIFEST
    spare = folder / f".{MANIFEST}.{os.getpid()}"
    try:
        with spare.open("xb") as file:
            file.write(to_json(manifest))
            file.flush()
            os.fsync(file.fileno())
        spare.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        spare.unlink(missing_ok=True)
