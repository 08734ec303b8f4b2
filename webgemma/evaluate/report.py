"""An evaluation as a table for people, as CSV and as JSON."""

from __future__ import annotations

import csv
import io
from typing import Any

from webgemma.evaluate.evaluate import Evaluation, Result
from webgemma.table import format_table
from webgemma.version import __version__

COLUMNS = (
    "model",
    "weights_nbytes",
    "percent_of_reference",
    "perplexity",
    "perplexity_error",
    "kl_mean",
    "kl_mean_error",
    "kl_far",
    "kl_maximum",
    "same_top",
    "same_top_error",
    "variant",
)
"""Of the CSV, and keys of a model in the JSON."""


def rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    """One record per model, by COLUMNS; the reference first, if it is not among the sites."""
    reference = evaluation.reference
    results = list(evaluation.results)
    if reference and all(r.divergence is not None for r in results):
        results = [reference, *results]
    return [row(result, reference) for result in results]


def row(result: Result, reference: Result | None) -> dict[str, Any]:
    """One model's record; figures that need a reference are None without one."""
    far = result.divergence
    values = (
        result.label,
        result.nbytes,
        100 * result.nbytes / reference.nbytes if reference else None,
        result.perplexity.value,
        result.perplexity.error,
        *((far.mean.value, far.mean.error, far.far, far.maximum) if far else [None] * 4),
        *((far.same_top.value, far.same_top.error) if far else [None] * 2),
        result.variant,
    )
    return dict(zip(COLUMNS, values, strict=True))


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """Everything, for scripts."""
    chunks, text = evaluation.chunks, evaluation.text
    reference = evaluation.reference
    return {
        "tool": f"webgemma {__version__}",
        "text": {"name": text.name, "sha256": text.sha256},
        "context": chunks.context,
        "chunks": len(chunks.tokens),
        "tokens": chunks.tokens.size,
        "scored_tokens": chunks.num_scored,
        "reference": reference.label if reference else None,
        "models": rows(evaluation),
    }


def as_csv(evaluation: Evaluation) -> str:
    """A line per model under a line of COLUMNS; empty where there is no figure."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(evaluation))
    return out.getvalue()


def as_text(evaluation: Evaluation) -> str:
    """A table, and under it what was measured."""
    chunks = evaluation.chunks
    header = ["model", "MB", "perplexity"]
    if evaluation.reference:
        header[2:2] = ["%"]
        header += ["KL mean", "KL 99.9 %", "KL max", "same top token"]
    table = format_table(
        [cells(record, bool(evaluation.reference)) for record in rows(evaluation)],
        header=header,
        right=range(1, len(header)),
    )
    note = (
        f"{evaluation.text.name}: {len(chunks.tokens)} chunks of {chunks.context:,} tokens, "
        f"{chunks.num_scored:,} scored."
    )
    if evaluation.reference:
        note += f" KL divergence in nats, and %, from {evaluation.reference.label}."
    return f"{table}\n\n{note}"


def cells(record: dict[str, Any], has_reference: bool) -> list[str]:
    """One line of the table."""
    line = [
        str(record["model"]),
        f"{record['weights_nbytes'] / 1e6:,.1f}",
        f"{record['perplexity']:.4f} ± {record['perplexity_error']:.4f}",
    ]
    if not has_reference:
        return line
    line[2:2] = [f"{record['percent_of_reference']:.1f}"]
    if record["kl_mean"] is None:
        return [*line, "", "", "", "reference"]
    return [
        *line,
        f"{record['kl_mean']:.6f} ± {record['kl_mean_error']:.6f}",
        f"{record['kl_far']:.5f}",
        f"{record['kl_maximum']:.5f}",
        f"{100 * record['same_top']:.2f} ± {100 * record['same_top_error']:.2f} %",
    ]
