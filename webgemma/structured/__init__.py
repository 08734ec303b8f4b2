"""Replies that are JSON of a schema, held to it token by token: docs/structured.md."""

from webgemma.structured.constraint import Constraint, Mask
from webgemma.structured.grammar import Grammar
from webgemma.structured.llguidance import Constrainer
from webgemma.structured.schema import ANY_OBJECT, schema_grammar

__all__ = ["ANY_OBJECT", "Constrainer", "Constraint", "Grammar", "Mask", "schema_grammar"]
