"""Putting a run together: stages in order, what names a source, and what is refused."""

import os
from dataclasses import dataclass
from typing import Any

import pytest

from gristmill.cli import local
from gristmill.cli.local import RunRequest, plan_run
from gristmill.runtime.adapters.listing import Selection
from gristmill.runtime.model import BadInput
from gristmill.runtime.ports import StagePlugin


@dataclass(frozen=True, slots=True, kw_only=True)
class NoSettings:
    """Nothing."""


class Anything:
    version = "1"

    def __init__(self, settings: NoSettings, index: Any = None) -> None: ...

    def process(self, batch: Any) -> Any:
        return batch


def stage(name: str, after: str, *, stateful: bool = False) -> StagePlugin:
    if stateful:
        return StagePlugin(name=name, settings=NoSettings, build_stateful=Anything, after=after)
    return StagePlugin(name=name, settings=NoSettings, build=Anything, after=after)


@pytest.fixture
def plan(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Plan a run with some stages beside the built-in ones."""
    own = local.load_plugins()

    def make(*stages: StagePlugin, paper: bool = False) -> local.Plan:
        with_users = {**own, **{one.name: one for one in stages}}
        monkeypatch.setattr(local, "load_plugins", lambda: with_users)
        request = RunRequest(
            sources=(os.fspath(tmp_path),), out="out", paper_route=paper, selection=Selection()
        )
        return plan_run(request)

    return make


def test_the_stages_before_the_stateful_one_and_those_behind_it(plan: Any) -> None:
    assert plan().segments() == (("ingestion", "syntax"), ("dedup",), ("quality",))
    assert plan(paper=True).segments() == (("ingestion",), ("dedup",), ("syntax", "quality"))
    assert plan(stage("own", "dedup")).segments()[2] == ("own", "quality")


def test_a_route_has_one_stateful_stage(plan: Any) -> None:
    with pytest.raises(BadInput, match="one stateful stage"):
        plan(stage("second", "dedup", stateful=True)).segments()


def test_every_rule_and_limit_is_part_of_a_sources_identity(
    plan: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = plan().sources[0].listing.source
    assert plan().sources[0].listing.source == before
    for variable in ("SYNTAX_ERROR_BUDGET", "INGESTION_MAX_FILE_BYTES", "LIMITS_CPU_SECONDS"):
        with monkeypatch.context() as changed:
            changed.setenv(f"GRISTMILL_{variable}", "1")
            assert plan().sources[0].listing.source != before, variable
    with monkeypatch.context() as changed:
        changed.setenv("GRISTMILL_RUN_BATCH_DOCUMENTS", "7")
        assert plan().sources[0].listing.source == before


def test_what_only_annotates_is_no_part_of_a_sources_identity(
    plan: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = plan().sources[0].listing.source
    monkeypatch.setenv("GRISTMILL_QUALITY_CLARITY", "2")
    assert plan().sources[0].listing.source == before


def test_a_source_named_twice_is_one_source(tmp_path: Any) -> None:
    name = os.fspath(tmp_path)
    request = RunRequest(sources=(name, name), out="out", selection=Selection())
    assert len(plan_run(request).sources) == 1


@pytest.mark.parametrize(
    ("variable", "value"),
    [("RUN_BATCH_DOCUMENTS", "0"), ("LIMITS_CPU_SECONDS", "0"), ("LIMITS_MEMORY_BYTES", "1000")],
)
def test_settings_that_no_run_can_work_with_are_refused(
    plan: Any, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(f"GRISTMILL_{variable}", value)
    with pytest.raises(BadInput, match="must be"):
        plan()
