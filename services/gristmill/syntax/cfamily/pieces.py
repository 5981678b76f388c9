"""The parts of a C or C++ text that its errors lie in: whole declarations, with their neighbours.

They are read apart from the rest of the text, which costs as much as they are long.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Final

from tree_sitter import Node, Tree

_WRAPPERS: Final = ("linkage_specification", "namespace_definition")


def pieces_around(tree: Tree, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return where the declarations around errors begin and end, in order, none overlapping.

    Each has the declaration before and the one behind it, if they stand in the same block: what
    confuses a grammar may stand there.
    """
    root = tree.root_node
    if root.is_error:
        return [(root.start_byte, root.end_byte)]
    blocks = list(_blocks(root))
    pieces: list[tuple[int, int]] = []
    for span in spans:
        piece = _around(blocks, span) or (root.start_byte, root.end_byte)
        if pieces and piece[0] <= pieces[-1][1]:
            pieces[-1] = (min(pieces[-1][0], piece[0]), max(pieces[-1][1], piece[1]))
        else:
            pieces.append(piece)
    return pieces


def _blocks(node: Node) -> Iterator[list[tuple[int, int]]]:
    """Yield the declarations of a block, and of the blocks in it that only wrap declarations.

    Each ends where the next one begins: the semicolon behind a structure is no part of its node.
    """
    starts: list[int] = []
    for child in node.named_children:
        body = child.child_by_field_name("body") if child.type in _WRAPPERS else None
        if body is not None and child.has_error:
            yield from _blocks(body)
            yield _between(starts, child.start_byte)
            starts = []
        else:
            starts.append(child.start_byte)
    yield _between(starts, node.end_byte - (node.type == "declaration_list"))


def _between(starts: Sequence[int], end: int) -> list[tuple[int, int]]:
    return list(zip(starts, [*starts[1:], end], strict=False))


def _around(
    blocks: Sequence[Sequence[tuple[int, int]]], span: tuple[int, int]
) -> tuple[int, int] | None:
    """Return the declarations around an error; None for one that lies in none."""
    for block in blocks:
        if not block or not block[0][0] <= span[0] <= block[-1][1]:
            continue
        at = bisect_right(block, span[0], key=lambda item: item[0]) - 1
        last = max(at, bisect_right(block, max(span), key=lambda item: item[0]) - 1)
        if block[last][1] < span[1]:  # it reaches beyond what it lies in
            return None
        return block[max(0, at - 1)][0], block[min(len(block) - 1, last + 1)][1]
    return None
