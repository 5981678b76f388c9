"""The figures that the page's charts are drawn from: numbers and short names, as JSON."""

from typing import Any

from gristmill.cli.console import safe
from gristmill.cli.report.contents import Report
from gristmill.cli.report.flow import Flow
from gristmill.cli.report.scores import Histogram
from gristmill.cli.report.timing import Pace, Step

_MOST_LANGUAGES = 20
_MOST_CHARS = 48
_NODE_CHARS = 18

# Any: what JSON holds.
Figure = dict[str, Any]


def figures(report: Report) -> dict[str, Figure]:
    """Return the figure of each chart by the id of the element that it is drawn in."""
    found: dict[str, Figure] = {}
    if report.flow.nodes:
        found["chart-flow"] = _flow(report.flow)
    if report.summary.languages:
        found["chart-languages"] = _languages(report)
    for number, histogram in enumerate(report.scores):
        found[f"chart-scores-{number}"] = _scores(histogram)
    if report.duplicates.near or report.duplicates.exact:
        buckets = report.duplicates.buckets
        found["chart-clusters"] = {
            "kind": "clusters",
            "labels": [bucket.label for bucket in buckets],
            "near": [bucket.near for bucket in buckets],
            "exact": [bucket.exact for bucket in buckets],
        }
    if report.timing.steps:
        found["chart-steps"] = _steps(report.timing.steps)
    if report.timing.pace is not None:
        found["chart-pace"] = _pace(report.timing.pace)
    return found


def _flow(flow: Flow) -> Figure:
    return {
        "kind": "flow",
        "nodes": [
            {
                "name": node.name,
                "label": _end_of(node.label),
                "whole": safe(node.label),
                "kind": node.kind,
                "depth": node.depth,
                "documents": node.documents,
                "about": flow.explained.get(node.label, ""),
            }
            for node in flow.nodes
        ],
        "links": [
            {"source": link.begin, "target": link.end, "value": link.documents}
            for link in flow.links
        ],
    }


def _end_of(name: str) -> str:
    """Return a name that fits beside a node; of a path the end says most."""
    if len(name) <= _NODE_CHARS:
        return safe(name)
    _, parts, last = name.rstrip("/").rpartition("/")
    return f"…/{safe(last, _NODE_CHARS)}" if parts else safe(last, _NODE_CHARS)


def _languages(report: Report) -> Figure:
    rows = list(report.summary.languages.items())[:_MOST_LANGUAGES]
    return {
        "kind": "languages",
        "labels": [safe(name, _MOST_CHARS) for name, _ in rows],
        "kept": [kept for _, (_, kept) in rows],
        "fell": [documents - kept for _, (documents, kept) in rows],
    }


def _scores(histogram: Histogram) -> Figure:
    return {
        "kind": "scores",
        "counts": list(histogram.counts),
        "thresholds": [
            {"about": safe(one.about, _MOST_CHARS), "at": one.threshold}
            for one in histogram.thresholds
        ],
    }


def _steps(steps: tuple[Step, ...]) -> Figure:
    return {
        "kind": "steps",
        "labels": [safe(step.name, _MOST_CHARS) for step in steps],
        "cpu": [round(step.cpu_seconds, 3) for step in steps],
        "wall": [step.wall_seconds for step in steps],
    }


def _pace(pace: Pace) -> Figure:
    return {
        "kind": "pace",
        "began": int(pace.began.timestamp() * 1000),
        "bin": pace.bin_seconds * 1000,
        "counts": list(pace.counts),
    }
