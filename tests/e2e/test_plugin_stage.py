"""A user's own stage, in a distribution of its own: an entry point is all it takes."""

from pathlib import Path
from typing import Any

import pytest

_STAGE = '''
"""Drops files that mention a word."""

from dataclasses import dataclass

from gristmill.runtime.model import Drop, Evidence, Keep, Reason
from gristmill.runtime.ports import StagePlugin


@dataclass(frozen=True, slots=True, kw_only=True)
class MuzzleSettings:
    word: str = "secret"
    """The word that may not occur."""


class MuzzleStage:
    def __init__(self, settings):
        self._word = settings.word
        self.version = f"muzzle-1.{settings.word}"

    def process(self, batch):
        return [self._decide(document) for document in batch]

    def _decide(self, document):
        if "explode" in document.body.content:
            raise ZeroDivisionError("a bug in somebody's stage")
        if self._word in document.body.content:
            return Drop(Reason.CUSTOM_RULE, Evidence(detail=f"mentions {self._word}"))
        return Keep(document)


PLUGIN = StagePlugin(name="muzzle", settings=MuzzleSettings, build=MuzzleStage, after="{after}")
'''


@pytest.fixture
def files(tmp_path: Path) -> Path:
    root = tmp_path / "files"
    root.mkdir()
    (root / "a.py").write_text("print('hello')\n")
    (root / "b.py").write_text("print('secret')\n")
    (root / "c.py").write_text("print('explode')\n")
    (root / "d.py").write_text("print('secret') # a copy of nothing\n")
    (root / "e.py").write_text("print('hello')\n")
    return root


@pytest.fixture(params=["syntax", "dedup"])
def with_stage(request: pytest.FixtureRequest, mill: Any, tmp_path: Path) -> Any:
    """The command line beside an installed distribution with one stage, before or after dedup."""
    site = tmp_path / "site"
    about = site / "muzzle-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: muzzle\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[gristmill.stages]\nmuzzle = muzzle:PLUGIN\n")
    (site / "muzzle.py").write_text(_STAGE.replace("{after}", request.param))
    return mill.with_environment(PYTHONPATH=str(site))


def test_the_stage_that_the_readme_shows_works_as_it_is_written(mill: Any, tmp_path: Path) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    (code,) = [part for part in readme.split("```") if "class ShoutingStage" in part]
    about = tmp_path / "site" / "shouting-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: shouting\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[gristmill.stages]\nshouting = gristmill_shouting:PLUGIN\n"
    )
    module = tmp_path / "site" / "gristmill_shouting.py"
    module.write_text(code.removeprefix("python\n"))
    source = tmp_path / "source"
    source.mkdir()
    (source / "loud.py").write_text("PRINT_LOUD = 'AAAAAAAAAAAAAAAAAAA'\n")
    (source / "quiet.py").write_text("quiet = 'a'\n")
    loud = mill.with_environment(PYTHONPATH=str(tmp_path / "site"))
    told = loud.run(source, "--out", tmp_path / "out")
    assert (told["kept"], told["dropped"]) == (1, {"custom_rule": 1})


def test_it_decides_in_its_place_and_is_on_record(
    with_stage: Any, files: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    told = with_stage.run(files, "--out", out)
    assert told["kept"] == 1
    assert told["dropped"] == {"custom_rule": 2, "exact_duplicate": 1}
    assert told["dead"] == 1
    assert told["documents"] == 5
    (document,) = with_stage("why", out, "--path", "b.py", "--json").told["documents"]
    assert document["decisions"][-1]["detail"] == "mentions secret"
    assert document["decisions"][-1]["version"] == "muzzle-1.secret"


def test_a_stage_that_breaks_costs_the_document_and_says_so(
    with_stage: Any, files: Path, tmp_path: Path
) -> None:
    finished = with_stage("run", files, "--out", tmp_path / "out", "--json")
    assert finished.code == 0
    assert "ZeroDivisionError" in finished.err
    assert "c.py" in finished.err
    (document,) = with_stage("why", tmp_path / "out", "--path", "c.py", "--json").told["documents"]
    assert (document["status"], document["reason"]) == ("dead", "unhandled")


def test_its_settings_are_settings_like_any_other(
    with_stage: Any, files: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with_stage.run(files, "--out", out)
    changed = with_stage.with_environment(GRISTMILL_MUZZLE_WORD="hello")
    assert changed.run(files, "--out", out)["new"] == 2
    assert "muzzle" in changed("config", "show", "--json").told


def test_everything_broken_is_an_outage_and_stops(
    with_stage: Any, files: Path, tmp_path: Path
) -> None:
    for number in range(60):
        (files / f"x{number}.py").write_text(f"explode({number})\n")
    finished = with_stage("run", files, "--out", tmp_path / "out")
    assert finished.code == 1
    assert "broke a stage" in finished.err
