"""How much of a file may be a syntax error: a table by language, with one default behind it.

The default comes from the settings. No language has a budget of its own yet.
"""

from collections.abc import Mapping

VERSION = 1
BUDGETS: Mapping[str, float] = {}


def budget_for(language: str, default: float) -> float:
    """Return the share of bytes, 0 to 1, that may lie under errors in a file of the language."""
    return BUDGETS.get(language, default)
