"""The name of the installed parsers: another version of any of them is another name."""

import platform
import pyexpat
from collections.abc import Iterator
from importlib.metadata import version

import pytest

from gristmill.syntax import installed
from gristmill.syntax.grammars import PACK, WHEELS
from gristmill.syntax.installed import parsers
from gristmill.syntax.settings import SyntaxSettings
from gristmill.syntax.stage import SyntaxStage

WHEEL_NAMES = sorted({one.distribution for one in WHEELS.values()})


@pytest.fixture(autouse=True)
def _asked_anew() -> Iterator[None]:
    parsers.cache_clear()
    yield
    parsers.cache_clear()


@pytest.mark.parametrize("upgraded", ["tree-sitter", "tomli", PACK.distribution, *WHEEL_NAMES])
def test_another_version_of_a_package_is_another_name(
    monkeypatch: pytest.MonkeyPatch, upgraded: str
) -> None:
    before = SyntaxStage(SyntaxSettings()).version
    assert parsers() in before
    parsers.cache_clear()
    monkeypatch.setattr(
        installed, "version", lambda name: "99.0" if name == upgraded else version(name)
    )
    assert SyntaxStage(SyntaxSettings()).version != before


def test_another_expat_or_interpreter_is_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {parsers()}
    for module, attribute, value in (
        (pyexpat, "EXPAT_VERSION", "expat_9.9.9"),
        (platform, "python_version", lambda: "3.99.0"),
    ):
        parsers.cache_clear()
        monkeypatch.setattr(module, attribute, value)
        names.add(parsers())
    assert len(names) == 3
