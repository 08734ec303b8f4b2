"""Writes a grammar for llguidance, in its dialect of Lark.

Source: https://github.com/guidance-ai/llguidance/blob/main/docs/syntax.md
"""

from __future__ import annotations

import json
import re

from webgemma.structured.grammar import (
    ROOT,
    Chars,
    Choice,
    Grammar,
    Lexeme,
    Node,
    Repeat,
    Rule,
    Sequence,
    Text,
)


def to_lark(grammar: Grammar) -> str:
    """Write a grammar: a lexeme as a string or a regular expression, all else as rules."""
    names = {name: "start" if name == ROOT else name for name in grammar.rules}
    rules = [f"{names[name]}: {_rule(node)}\n" for name, node in grammar.rules.items()]
    return "".join(rules)


def _rule(node: Node) -> str:
    """Write a node outside a lexeme."""
    match node:
        case Lexeme(Text(text)):
            return json.dumps(text, ensure_ascii=False)
        case Lexeme(item):
            return f"/{_regex(item)}/"
        case Text(""):
            return '""'
        case Sequence(items):
            return " ".join(map(_rule, items)) or '""'
        case Choice(options):
            return f"({' | '.join(map(_rule, options))})"
        case Repeat(item, least, most):
            return f"({_rule(item)}){_count(least, most)}"
        case Rule(name):
            return "start" if name == ROOT else name
    msg = f"{node} stands outside a lexeme"
    raise AssertionError(msg)


def _regex(node: Node) -> str:
    """Write a node inside a lexeme."""
    match node:
        case Text(text):
            return "".join(map(_character, text))
        case Chars(ranges):
            return f"[{''.join(f'{_code(first)}-{_code(last)}' for first, last in ranges)}]"
        case Sequence(items):
            return "".join(map(_regex, items))
        case Choice(options):
            return f"(?:{'|'.join(map(_regex, options))})"
        case Repeat(item, least, most):
            return f"(?:{_regex(item)}){_count(least, most)}"
    msg = f"{node} stands inside a lexeme"
    raise AssertionError(msg)


def _count(least: int, most: int | None) -> str:
    return f"{{{least},{'' if most is None else most}}}"


def _character(char: str) -> str:
    return char if re.fullmatch(r"[\w ,:]", char) else _code(ord(char))


def _code(code: int) -> str:
    return f"\\x{{{code:X}}}"
