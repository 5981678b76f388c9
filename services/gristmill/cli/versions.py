"""The versions of what takes part in a decision: gristmill, Python, grammars, libraries."""

import platform
from importlib.metadata import PackageNotFoundError, distributions, version

from gristmill import __version__

_LIBRARIES = (
    "charset-normalizer", "lmdb", "numba", "numpy", "pyarrow", "pyiceberg", "tiktoken",
    "tree-sitter",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Return versions by name, of what is installed here; grammars behind the rest, by name."""
    found = {
        "gristmill": __version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.machine()}",
    }
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # an extra that is not installed
            continue
    installed = {one.name.lower(): one.version for one in distributions() if one.name}
    grammars = sorted(name for name in installed if "tree-sitter-" in name)
    return found | {name: installed[name] for name in grammars}
