"""The picture of an evaluation: perplexity and divergence against size."""

from __future__ import annotations

from webgemma.evaluate.evaluate import Evaluation
from webgemma.evaluate.report import rows
from webgemma.scatter import Panel, Point, draw_panels


def draw(evaluation: Evaluation) -> str:
    """An SVG file with a panel for perplexity and, with a reference, one for the divergence."""
    records = rows(evaluation)
    size = "size of the weights, MB"
    panels = [
        Panel(
            "Perplexity: lower is better",
            size,
            [Point(r["model"], r["weights_nbytes"] / 1e6, r["perplexity"]) for r in records],
        )
    ]
    if evaluation.reference:
        panels.append(
            Panel(
                f"Mean KL divergence from {evaluation.reference.label}, nats: lower is closer",
                size,
                [
                    Point(r["model"], r["weights_nbytes"] / 1e6, r["kl_mean"])
                    for r in records
                    if r["kl_mean"] is not None
                ],
            )
        )
    return draw_panels(panels)
