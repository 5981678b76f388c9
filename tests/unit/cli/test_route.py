"""Routes with the stages of a user."""

from dataclasses import dataclass
from typing import Any

import pytest

from gristmill.cli.mill import LocalMill, mill_settings, route_of_mill
from gristmill.cli.route import route_of_files
from gristmill.runtime.adapters.plugins import load_plugins
from gristmill.runtime.model import BadInput, Kind
from gristmill.runtime.ports import StagePlugin


@dataclass(frozen=True, slots=True, kw_only=True)
class NoSettings:
    """Nothing."""


class Anything:
    version = "1"

    def __init__(self, settings: NoSettings) -> None: ...

    def process(self, batch: Any) -> Any:
        return batch


def route(*stages: tuple[str, str], paper: bool = False, **more: Any) -> tuple[str, ...]:
    """Return the route with stages of these names, each behind the one it names."""
    own = {
        name: StagePlugin(name=name, settings=NoSettings, build=Anything, after=after, **more)
        for name, after in stages
    }
    return route_of_files({**load_plugins(), **own}, paper=paper)


def test_the_default_route_has_the_gates_first_and_the_papers_has_not() -> None:
    assert route() == ("ingestion", "syntax", "dedup", "quality")
    assert route(paper=True) == ("ingestion", "dedup", "syntax", "quality")


def test_stages_may_go_behind_one_another_whatever_their_names() -> None:
    made = route(("aaa", "bbb"), ("bbb", "syntax"), ("ccc", "dedup"))
    assert made == ("ingestion", "syntax", "bbb", "aaa", "dedup", "ccc", "quality")


def test_a_stage_behind_nothing_known_is_refused() -> None:
    with pytest.raises(BadInput, match="'lost' goes after 'nowhere'"):
        route(("lost", "nowhere"))


def test_a_stage_for_other_kinds_is_on_no_route_of_files() -> None:
    assert "own" not in route(("own", "syntax"), kinds=(Kind.COMMIT,))


def test_a_built_in_stage_that_is_not_installed_is_left_out() -> None:
    plugins = load_plugins()
    del plugins["quality"]
    assert route_of_files(plugins, paper=False) == ("ingestion", "syntax", "dedup")


def test_a_mill_has_the_route_that_its_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    def route() -> tuple[str, ...]:
        return route_of_mill(mill_settings(LocalMill()))

    assert route() == ("ingestion", "syntax", "dedup", "quality")
    monkeypatch.setenv("GRISTMILL_SERVE_PAPER_ROUTE", "true")
    assert route() == ("ingestion", "dedup", "syntax", "quality")
