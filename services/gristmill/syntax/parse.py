"""Parsing with tree-sitter, and how much of a text lies under its errors.

A grammar may hang or crash on hostile text, and nothing in this process can stop it: callers run
this where the whole process can be ended.
"""

from collections.abc import Callable
from functools import cache

from tree_sitter import Node, Parser
from tree_sitter_language_pack import get_parser


@cache
def parser_for(grammar: str) -> Parser:
    """Return the parser of a grammar, loaded once in a process."""
    parser: Parser = get_parser(grammar)  # type: ignore[arg-type]  # its names are a Literal
    return parser


def error_share(grammar: str, text: str) -> float:
    """Return the share of bytes, 0 to 1, under ERROR nodes; a MISSING node counts as one byte."""
    source = text.encode()
    if not source:
        return 0.0
    root = parser_for(grammar).parse(source).root_node
    return min(1.0, error_bytes(root) / len(source))


def error_bytes(root: Node) -> int:
    """Return the bytes under ERROR nodes, plus one for each MISSING node."""
    total = 0
    pending = [root] if root.has_error else []
    push: Callable[[Node], None] = pending.append
    while pending:
        node = pending.pop()
        if node.is_error:
            total += node.end_byte - node.start_byte
        elif node.is_missing:
            total += 1
        else:
            for child in node.children:
                if child.has_error or child.is_missing:
                    push(child)
    return total
