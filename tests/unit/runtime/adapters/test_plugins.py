"""Finding stages by entry point: the built-in ones, a user's own, and broken ones by name."""

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, EntryPoints
from types import ModuleType

import pytest

from gristmill.dedup.stage import PLUGIN as DEDUP
from gristmill.ingestion.stage import PLUGIN as INGESTION
from gristmill.runtime.adapters import plugins
from gristmill.runtime.adapters.plugins import GROUP, load_plugins
from gristmill.runtime.model import BadInput
from gristmill.runtime.ports import StagePlugin
from gristmill.syntax.settings import SyntaxSettings

Install = Callable[..., None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Return a function that puts entry points in place of the installed ones."""

    def installed(*entries: tuple[str, str]) -> None:
        found = EntryPoints(EntryPoint(name, value, GROUP) for name, value in entries)

        def entry_points(*, group: str) -> EntryPoints:
            return found.select(group=group)

        monkeypatch.setattr(plugins, "entry_points", entry_points)

    return installed


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return a module of a user's, importable as `users_stages`."""
    made = ModuleType("users_stages")
    monkeypatch.setitem(sys.modules, "users_stages", made)
    return made


INGESTION_ENTRY = ("ingestion", "gristmill.ingestion.stage:PLUGIN")


def test_the_built_in_stages_come_through_the_same_door() -> None:
    found = load_plugins()
    assert {"ingestion", "syntax", "dedup"} <= set(found)
    assert found["ingestion"] is INGESTION
    assert found["dedup"] is DEDUP
    assert all(plugin.name == name for name, plugin in found.items())


def test_every_stage_can_be_built_in_exactly_one_way() -> None:
    for plugin in load_plugins().values():
        assert (plugin.build is None) != (plugin.build_stateful is None)
        assert plugin.stateful == (plugin.build_stateful is not None)


def test_a_user_s_stage_is_found_beside_them(install: Install, module: ModuleType) -> None:
    spelling = StagePlugin(name="spelling", settings=SyntaxSettings, after="syntax")
    module.PLUGIN = spelling  # type: ignore[attr-defined]
    install(("spelling", "users_stages:PLUGIN"), INGESTION_ENTRY)
    found = load_plugins()
    assert found == {"ingestion": INGESTION, "spelling": spelling}
    assert list(found) == ["ingestion", "spelling"], "in one order, however they are installed"


def test_no_stages_are_no_error(install: Install) -> None:
    install()
    assert load_plugins() == {}


@pytest.mark.parametrize(
    "value",
    ["no.such.module:PLUGIN", "gristmill.syntax.stage:NO_SUCH_NAME", "users_stages:missing"],
)
def test_an_entry_point_that_cannot_be_loaded_is_named(
    install: Install, module: ModuleType, value: str
) -> None:
    install(INGESTION_ENTRY, ("spelling", value))
    with pytest.raises(BadInput, match=r"'spelling'.*cannot be loaded") as caught:
        load_plugins()
    assert value in str(caught.value)


@pytest.mark.parametrize("thing", [None, "PLUGIN", StagePlugin], ids=["None", "text", "the class"])
def test_an_entry_point_that_is_no_plugin_is_named(
    install: Install, module: ModuleType, thing: object
) -> None:
    module.PLUGIN = thing  # type: ignore[attr-defined]
    install(("spelling", "users_stages:PLUGIN"))
    with pytest.raises(BadInput, match=r"'spelling'.*is not a StagePlugin"):
        load_plugins()


def test_a_plugin_under_another_name_is_refused(install: Install) -> None:
    install(("spelling", "gristmill.ingestion.stage:PLUGIN"))
    with pytest.raises(BadInput, match="'spelling'"):
        load_plugins()


def test_two_stages_of_one_name_are_refused(install: Install, module: ModuleType) -> None:
    module.PLUGIN = StagePlugin(  # type: ignore[attr-defined]
        name="ingestion", settings=SyntaxSettings
    )
    install(INGESTION_ENTRY, ("ingestion", "users_stages:PLUGIN"))
    with pytest.raises(BadInput, match=r"'ingestion'.*exists twice"):
        load_plugins()
