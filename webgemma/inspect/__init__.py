"""What a site or a checkpoint holds, whether it runs, and what memory it takes."""

from webgemma.inspect.facts import Facts
from webgemma.inspect.memory import estimate
from webgemma.inspect.program import describe_program
from webgemma.inspect.site import describe_site
from webgemma.inspect.source import describe_source

__all__ = [
    "Facts",
    "describe_program",
    "describe_site",
    "describe_source",
    "estimate",
]
