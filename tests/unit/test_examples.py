"""Every example in a docstring is true, and every module says what it is for."""

import ast
import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import gristmill

_MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(gristmill.__path__, "gristmill.")
    if ".generated" not in module.name
)


@pytest.mark.parametrize("name", _MODULES)
def test_examples_in_docstrings_are_true(name: str) -> None:
    results = doctest.testmod(importlib.import_module(name))
    assert results.failed == 0


def test_examples_are_found() -> None:
    finder = doctest.DocTestFinder()
    examples = [
        test
        for name in _MODULES
        for test in finder.find(importlib.import_module(name))
        if test.examples
    ]
    assert len(examples) > 5


@pytest.mark.parametrize("path", sorted(Path(gristmill.__path__[0]).rglob("*.py")), ids=str)
def test_every_module_opens_with_what_it_is_for(path: Path) -> None:
    if "generated" in path.parts:
        return
    assert ast.get_docstring(ast.parse(path.read_text())), path
