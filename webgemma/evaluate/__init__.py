"""How well a model predicts a text, and how far it is from another one: `webgemma eval`."""

from __future__ import annotations

from webgemma.evaluate.evaluate import Evaluation, evaluate, reference_site
from webgemma.evaluate.inputs import check_inputs
from webgemma.evaluate.record import record_quality

__all__ = ["Evaluation", "check_inputs", "evaluate", "record_quality", "reference_site"]
