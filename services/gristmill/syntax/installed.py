"""Which parsers are installed: another version may give another verdict on the same text."""

import hashlib
import platform
import pyexpat
from functools import cache
from importlib.metadata import version
from typing import Final

from gristmill.syntax.grammars import PACK, WHEELS

_DISTRIBUTIONS: Final = sorted(
    {"tree-sitter", "tomli", PACK.distribution, *(one.distribution for one in WHEELS.values())}
)


@cache
def parsers() -> str:
    """Return 8 hex digits that change with the version of any grammar or parser."""
    told = [f"{name} {version(name)}" for name in _DISTRIBUTIONS]
    # `ast` and `json` are the interpreter's; expat may be the system's.
    told += [platform.python_version(), pyexpat.EXPAT_VERSION]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:8]
