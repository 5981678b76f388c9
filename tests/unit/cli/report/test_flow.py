"""The funnel as a flow: the order of stages, and no document lost at any node."""

from collections import Counter
from typing import Any

import pyarrow as pa
import pytest

from gristmill.cli.reading import StageCount
from gristmill.cli.report.flow import (
    ACCEPTED,
    FILES,
    LEDGER_ALONE,
    ON_ITS_WAY,
    Flow,
    flow_of,
    route_of,
)
from gristmill.runtime.model.cut import BELOW_CUT


@pytest.mark.parametrize(
    ("seen", "route"),
    [
        ({"ingestion": 9, "syntax": 8, "dedup": 7, "shards": 6}, "ingestion syntax dedup shards"),
        ({"ingestion": 9, "syntax": 7, "dedup": 8, "shards": 6}, "ingestion dedup syntax shards"),
        ({"ingestion": 9, "syntax": 9, "dedup": 9, "shards": 9}, "ingestion syntax dedup shards"),
        ({"ingestion": 9, "syntax": 8, "dedup": 7, "quality": 7, "shards": 6},
         "ingestion syntax dedup quality shards"),
        ({"ingestion": 9, "own": 8, "syntax": 7, "dedup": 6, "shards": 5},
         "ingestion own syntax dedup shards"),
        ({"ingestion": 9, "own": 5, "syntax": 7, "dedup": 6, "shards": 5},
         "ingestion syntax dedup own shards"),
        # A mill at work: what is written of later stages may be ahead.
        ({"ingestion": 90, "syntax": 95, "dedup": 80}, "ingestion syntax dedup"),
        ({"own": 1}, "own"),
        ({}, ""),
    ],
)  # fmt: skip
def test_the_order_of_the_stages(seen: dict[str, int], route: str) -> None:
    assert route_of(seen) == tuple(route.split())


def ledger(sources: dict[str, int]) -> pa.Table:
    names = [name for name, count in sources.items() for _ in range(count)]
    return pa.table({"stage": ["ingestion"] * len(names), "source": names})


STAGES = {
    "ingestion": StageCount(kept=8, dropped={"binary": 2}),
    "syntax": StageCount(kept=6, dropped={"syntax_errors": 1}, dead={"unhandled": 1}),
    "dedup": StageCount(kept=5, dropped={"near_duplicate": 1}),
    "shards": StageCount(kept=4),
}


def balance(flow: Flow) -> dict[str, Any]:
    comes: Counter[str] = Counter()
    goes: Counter[str] = Counter()
    for link in flow.links:
        comes[link.end] += link.documents
        goes[link.begin] += link.documents
    return {node.name: (comes[node.name], node.documents, goes[node.name]) for node in flow.nodes}


def test_at_every_node_what_comes_in_goes_out() -> None:
    flow = flow_of(ledger({"a": 7, "b": 3}), STAGES)
    found = balance(flow)
    assert found.pop("source 0") == (0, 7, 7)
    assert found.pop("source 1") == (0, 3, 3)
    assert found.pop(FILES) == (4, 4, 0)
    assert found.pop(LEDGER_ALONE) == (5, 5, 0)
    assert found.pop(ON_ITS_WAY) == (1, 1, 0)  # the tables have not taken it in yet
    assert all(comes == documents == goes for comes, documents, goes in found.values())
    kinds = {node.label: node.kind for node in flow.nodes}
    assert kinds["near_duplicate"] == "reason"
    assert kinds["unhandled"] == "dead"
    assert flow.explained["binary"] == "holds bytes that no text holds"


def test_the_cut_divides_what_is_kept_and_all_of_it_ends_in_the_files() -> None:
    flow = flow_of(ledger({"a": 10}), STAGES, 3)
    found = balance(flow)
    assert found[BELOW_CUT] == (3, 3, 3)
    assert found[ACCEPTED] == (1, 1, 1)
    assert found[FILES] == (4, 4, 0)
    assert found[LEDGER_ALONE] == (5, 5, 0)
    assert found["stage shards"] == (4, 4, 4)
    depths = {node.name: node.depth for node in flow.nodes}
    assert depths["stage shards"] < depths[BELOW_CUT] < depths[FILES]
    assert "not accept" in flow.explained[BELOW_CUT]
    assert ACCEPTED not in balance(flow_of(ledger({"a": 10}), STAGES, 4))


def test_what_no_stage_has_written_yet_is_on_its_way() -> None:
    stages = {"ingestion": StageCount(kept=4, dropped={"binary": 1}), "shards": StageCount()}
    found = balance(flow_of(ledger({"a": 5}), stages))
    assert found[ON_ITS_WAY] == (4, 4, 0)
    assert FILES not in found


def test_many_sources_and_reasons_are_drawn_together() -> None:
    dropped = {f"reason_{n}": 100 - n for n in range(40)}
    stages = {"ingestion": StageCount(kept=1, dropped=dropped)}
    total = 1 + sum(dropped.values())
    names = {f"source {n}": 1 for n in range(total)}
    flow = flow_of(ledger(names), stages)
    labels = [node.label for node in flow.nodes]
    assert len(labels) == 8 + 1 + 13 + 2
    assert f"{total - 7:,} other sources" in labels
    assert sum(link.documents for link in flow.links if link.end == LEDGER_ALONE) == total - 1


def test_a_document_of_no_stage_makes_no_flow() -> None:
    assert flow_of(ledger({}), {}) == Flow((), (), {})
