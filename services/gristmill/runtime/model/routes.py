"""Which stages a document of each kind passes, in order. Stages themselves do not know it.

Pure gates come first and the stateful one after: a duplicate's survivor that later failed a gate
would take its whole cluster with it. `PAPER_ROUTES` keeps the order that the paper names.
"""

from collections.abc import Mapping

from gristmill.runtime.model.document import Kind

Route = tuple[str, ...]

ROUTES: Mapping[Kind, Route] = {
    Kind.FILE: ("ingestion", "syntax", "dedup", "quality", "shards"),
    Kind.REPOSITORY: ("ingestion", "syntax", "dedup", "quality", "shards"),
    Kind.COMMIT: ("ingestion", "dedup", "quality", "shards"),
    Kind.WEB_PAGE: ("ingestion", "relevance", "dedup", "quality", "shards"),
}

PAPER_ROUTES: Mapping[Kind, Route] = {
    **ROUTES,
    Kind.FILE: ("ingestion", "dedup", "syntax", "quality", "shards"),
    Kind.REPOSITORY: ("ingestion", "dedup", "syntax", "quality", "shards"),
    Kind.WEB_PAGE: ("ingestion", "dedup", "relevance", "quality", "shards"),
}


def route_with(route: Route, stage: str, *, after: str) -> Route:
    """Return the route with one more stage behind `after`; a route without `after` stays as it is.

    >>> route_with(("ingestion", "dedup"), "spelling", after="ingestion")
    ('ingestion', 'spelling', 'dedup')
    """
    if after not in route or stage in route:
        return route
    at = route.index(after) + 1
    return (*route[:at], stage, *route[at:])
