"""The funnel as a flow: from sources through the stages to the tables, what fell and why aside.

Every number is a number of documents, and at every node what comes in goes out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc

from gristmill.cli.reading import StageCount
from gristmill.runtime.model import Kind, Reason
from gristmill.runtime.model.cut import BELOW_CUT, BELOW_CUT_EXPLANATION
from gristmill.runtime.model.routes import PAPER_ROUTES, ROUTES

_MOST_SOURCES = 8
_MOST_REASONS = 12
SINK = "shards"
"""The last stage of every route: what it keeps is in the tables."""
ACCEPTED = "accepted"
FILES, LEDGER_ALONE, ON_ITS_WAY = "files", "ledger alone", "on its way"


@dataclass(frozen=True, slots=True)
class Node:
    """Where documents come from, pass, or end: `kind` is source, stage, reason, dead or table."""

    name: str
    label: str
    kind: str
    depth: int
    documents: int


@dataclass(frozen=True, slots=True)
class Link:
    """Documents that went from one node to another."""

    begin: str
    end: str
    documents: int


@dataclass(frozen=True, slots=True)
class Flow:
    """The whole picture; `explained` says each reason in words."""

    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    explained: Mapping[str, str]


def route_of(seen: Mapping[str, int]) -> tuple[str, ...]:
    """Return the stages in the order in which documents pass them, by how many each has seen.

    Of the known orders the one that the counts contradict least; stages of a user's own go where
    their counts put them.

    >>> route_of({"shards": 5, "syntax": 7, "dedup": 9, "ingestion": 9})
    ('ingestion', 'dedup', 'syntax', 'shards')
    """
    orders = [
        tuple(stage for stage in routes[Kind.FILE] if stage in seen)
        for routes in (ROUTES, PAPER_ROUTES)
    ]
    best = min(orders, key=lambda order: _contradictions([seen[stage] for stage in order]))
    route = list(best)
    for stage in sorted(seen.keys() - set(route), key=lambda name: (-seen[name], name)):
        at = next((n for n, known in enumerate(route) if seen[known] < seen[stage]), len(route))
        before_last = len(route) - 1 if route and route[-1] == SINK else len(route)
        route.insert(min(at, before_last), stage)
    return tuple(route)


def _contradictions(counts: Sequence[int]) -> int:
    return sum(max(0, after - before) for before, after in pairwise(counts))


def flow_of(ledger: pa.Table, stages: Mapping[str, StageCount], below_cut: int = 0) -> Flow:
    """Return the flow of the decisions; `stages` are their counts, in the order of the route.

    What lies below the cut is shown like what fell, and ends in the files all the same.
    """
    route = [name for name, count in stages.items() if count.seen]
    if not route:
        return Flow((), (), {})
    first = ledger.filter(pc.equal(ledger["stage"], route[0]))
    sources = _sources(first)
    nodes = [Node(f"source {n}", name, "source", 0, c) for n, (name, c) in enumerate(sources)]
    links = [Link(node.name, f"stage {route[0]}", node.documents) for node in nodes]
    fallen_nodes, fallen_links = _fallen(route, stages)
    for depth, stage in enumerate(route, 1):
        nodes.append(Node(f"stage {stage}", stage, "stage", depth, stages[stage].seen))
    links += _between(route, stages)
    kept_nodes, kept_links = _kept(route[-1], stages[route[-1]].kept, below_cut, len(route) + 1)
    nodes += kept_nodes + fallen_nodes
    links += kept_links + fallen_links
    nodes += _ends(links, len(route) + 2)
    explained = {
        node.label: Reason(node.label).explanation
        for node in fallen_nodes
        if node.label in Reason.__members__.values()
    } | {BELOW_CUT: BELOW_CUT_EXPLANATION}
    return Flow(tuple(nodes), tuple(link for link in links if link.documents), explained)


def _sources(first: pa.Table) -> list[tuple[str, int]]:
    counts = first.group_by("source").aggregate([([], "count_all")]).to_pylist()
    named = [(str(row["source"]), int(row["count_all"])) for row in counts]
    return _largest(named, _MOST_SOURCES, "other sources")


def _largest(named: list[tuple[str, int]], most: int, others: str) -> list[tuple[str, int]]:
    """Return the largest in order; when there are more than `most`, the rest as one."""
    ordered = sorted(named, key=lambda item: (-item[1], item[0]))
    if len(ordered) <= most:
        return ordered
    rest = ordered[most - 1 :]
    return [*ordered[: most - 1], (f"{len(rest):,} {others}", sum(count for _, count in rest))]


def _between(route: Sequence[str], stages: Mapping[str, StageCount]) -> Iterator[Link]:
    for stage, following in pairwise(route):
        kept, seen = stages[stage].kept, stages[following].seen
        yield Link(f"stage {stage}", f"stage {following}", min(kept, seen))
        yield Link(f"stage {stage}", ON_ITS_WAY, max(0, kept - seen))


def _kept(last: str, kept: int, below_cut: int, depth: int) -> tuple[list[Node], list[Link]]:
    """Return the way of what the last stage keeps to where it ends, divided by the cut."""
    end = FILES if last == SINK else ON_ITS_WAY
    if not below_cut:
        return [], [Link(f"stage {last}", end, kept)]
    parts = ((ACCEPTED, "stage", kept - below_cut), (BELOW_CUT, "reason", below_cut))
    nodes = [Node(name, name, kind, depth, count) for name, kind, count in parts if count]
    links = [Link(f"stage {last}", node.name, node.documents) for node in nodes]
    return nodes, links + [Link(node.name, end, node.documents) for node in nodes]


def _fallen(
    route: Sequence[str], stages: Mapping[str, StageCount]
) -> tuple[list[Node], list[Link]]:
    """Return a node for each stage and reason, the small ones as one, and where they lead."""
    all_reasons = sorted(
        (
            (count, stage, reason, kind)
            for stage in route
            for kind, counts in (("reason", stages[stage].dropped), ("dead", stages[stage].dead))
            for reason, count in counts.items()
        ),
        key=lambda item: (-item[0], item[1], item[2]),
    )
    shown = {item[1:] for item in all_reasons[:_MOST_REASONS]}
    counts: dict[tuple[str, str, str], int] = {}
    for count, stage, reason, kind in all_reasons:
        key = (stage, reason, kind) if (stage, reason, kind) in shown else (stage, "", "reason")
        counts[key] = counts.get(key, 0) + count
    nodes, links = [], []
    for (stage, reason, kind), count in counts.items():
        name = f"{kind} {stage} {reason}"
        depth = route.index(stage) + 2
        nodes.append(Node(name, reason or "other reasons", kind, depth, count))
        links += [Link(f"stage {stage}", name, count), Link(name, LEDGER_ALONE, count)]
    return nodes, links


def _ends(links: Sequence[Link], depth: int) -> Iterator[Node]:
    for name in (FILES, LEDGER_ALONE, ON_ITS_WAY):
        documents = sum(link.documents for link in links if link.end == name)
        if documents:
            yield Node(name, name, "table", depth, documents)
