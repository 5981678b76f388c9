"""Parsing with tree-sitter, and how much of a text lies under its errors.

A grammar may hang or crash on hostile text, and nothing in this process can stop it: callers run
this where the whole process can be ended.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from tree_sitter import Node, Parser

from gristmill.syntax.grammars import load_parser

_WEIGHT_OF_NOTHING = 1  # of what is missing, in bytes


@dataclass(frozen=True, slots=True)
class Errors:
    """What is wrong with a text: how many bytes, and where, in the order of the text."""

    num_bytes: int
    spans: tuple[tuple[int, int], ...]


@cache
def parser_for(grammar: str) -> Parser:
    """Return the parser of a grammar, loaded once in a process."""
    return load_parser(grammar)


def error_share(grammar: str, text: str) -> float:
    """Return the share of bytes, 0 to 1, under ERROR nodes; a MISSING node counts as one byte."""
    source = text.encode()
    return share(errors_in(grammar, source).num_bytes, source)


def share(num_bytes: int, source: bytes) -> float:
    """Return the share of a text's bytes, 1 at most; nothing of an empty text."""
    return min(1.0, num_bytes / len(source)) if source else 0.0


def errors_in(grammar: str, source: bytes) -> Errors:
    """Return the errors that a grammar finds."""
    if not source:
        return Errors(0, ())
    return errors_under(parser_for(grammar).parse(source).root_node)


def errors_under(root: Node) -> Errors:
    """Return the topmost ERROR nodes and the MISSING ones, and what they weigh."""
    spans: list[tuple[int, int]] = []
    pending = [root] if root.has_error else []
    push: Callable[[Node], None] = pending.append
    while pending:
        node = pending.pop()
        if node.is_error or node.is_missing:
            spans.append((node.start_byte, node.end_byte))
            continue
        found = len(pending)
        for child in node.children:
            if child.has_error or child.is_missing:
                push(child)
        if len(pending) == found:  # a token that trees do not show is missing at its end
            spans.append((node.end_byte, node.end_byte))
    weight = sum(max(end - start, 0) or _WEIGHT_OF_NOTHING for start, end in spans)
    return Errors(weight, tuple(sorted(spans)))
