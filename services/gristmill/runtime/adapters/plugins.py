"""Finding stages by the entry point `gristmill.stages`: the built-in ones and a user's own."""

from collections.abc import Collection
from importlib.metadata import entry_points

from gristmill.runtime.model import BadInput
from gristmill.runtime.ports import StagePlugin

GROUP = "gristmill.stages"


def load_plugins(names: Collection[str] | None = None) -> dict[str, StagePlugin]:
    """Return all stages by name, or those named; no other is imported.

    Two of one name or a broken one are errors that name them.
    """
    found: dict[str, StagePlugin] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        if names is not None and entry.name not in names:
            continue
        where = f"the stage {entry.name!r} ({entry.value})"
        try:
            plugin = entry.load()
        except (
            ImportError,
            AttributeError,
            SyntaxError,
            NameError,
            TypeError,
            ValueError,
        ) as error:
            raise BadInput(f"{where} cannot be loaded: {error}") from error
        if not isinstance(plugin, StagePlugin) or plugin.name != entry.name:
            raise BadInput(f"{where} is not a StagePlugin of that name")
        if found.setdefault(plugin.name, plugin) is not plugin:
            raise BadInput(f"{where} exists twice")
    return found
