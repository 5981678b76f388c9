"""The stages that a document passes: the built-in ones in order, a user's own between them."""

from collections.abc import Iterable, Mapping

from gristmill.runtime.model import PAPER_ROUTES, ROUTES, BadInput, Kind, route_with
from gristmill.runtime.model.routes import Route
from gristmill.runtime.ports import StagePlugin


def route_of_files(plugins: Mapping[str, StagePlugin], *, paper: bool) -> Route:
    """Return the stages that a file passes, of those that are installed, before the shards."""
    routes = PAPER_ROUTES if paper else ROUTES
    route = _with_users_stages(routes[Kind.FILE], plugins.values())
    return tuple(name for name in route if name in plugins)


def _with_users_stages(route: Route, plugins: Iterable[StagePlugin]) -> Route:
    """Return the route with every stage that says where it goes; one may go behind another."""
    waiting = [p for p in plugins if Kind.FILE in p.kinds and p.name not in route]
    while waiting:
        placed = [plugin for plugin in waiting if plugin.after in route]
        if not placed:
            first = waiting[0]
            raise BadInput(
                f"the stage {first.name!r} goes after {first.after!r}, which is not on the route "
                + " -> ".join(route)
            )
        for plugin in placed:
            route = route_with(route, plugin.name, after=plugin.after)
        waiting = [plugin for plugin in waiting if plugin.name not in route]
    return route
