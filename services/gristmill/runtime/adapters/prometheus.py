"""Metrics for Prometheus: counts in this process and writes them out when they are asked for.

It serves nothing itself (the health servers do) and knows no metric but those that the port
declares. Every label takes its values from a closed or a small set, so that no document, however
odd, can add a series.
"""

import math
import re
from collections.abc import Collection, Iterator, Mapping
from itertools import product
from threading import Lock
from typing import Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.openmetrics import exposition as openmetrics

from gristmill.runtime.model import OutcomeKind, Reason, RefusalReason
from gristmill.runtime.ports import METRICS

BUCKETS_SECONDS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 30.0, 60.0),
)
"""From a batch of small documents to a transaction at the broker's time limit."""

CLOSED: Mapping[str, frozenset[str]] = {
    "outcome": frozenset(OutcomeKind),
    "reason": frozenset(Reason) | {""},
    "receipt": frozenset(RefusalReason) | {"accepted", "known_before"},
    "result": frozenset({"committed", "rewound"}),
    "code": frozenset(
        {"OK", "CANCELLED", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"}
        | {"FAILED_PRECONDITION", "ABORTED", "INTERNAL", "UNAVAILABLE"}
    ),
}
"""Labels whose values are known; a reason is empty where a document was not refused."""

MOST_VALUES: Mapping[str, int] = {
    "stage": 8,
    "topic": 16,
    "table": 16,
    "grammar": 160,
    "method": 6,
}
"""Labels that take names: how many names one process may use. It stays below 2,500 series."""

_NAME = re.compile(r"[A-Za-z0-9._-]{1,249}")  # what Kafka takes for the name of a topic
_WITHOUT_REASON = frozenset({OutcomeKind.KEEP, OutcomeKind.SPLIT})

_Kind = Literal["counter", "gauge", "histogram"]
_Key = tuple[_Kind, str, tuple[tuple[str, str], ...]]


class _Rules:
    """Says which series there may be; remembers those that it has let through."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._passed: set[_Key] = set()
        self._names: dict[str, set[str]] = {label: set() for label in MOST_VALUES}

    def check(self, kind: _Kind, name: str, value: float, labels: Mapping[str, str]) -> _Key:
        """Return what identifies the series. Raises ValueError naming what is not declared."""
        if not math.isfinite(value) or (kind == "counter" and value < 0):
            raise ValueError(f"{name} cannot take {value}")
        key = (kind, name, tuple(labels.items()))
        if key not in self._passed:
            with self._lock:
                self._check_series(kind, name, labels)
                self._passed.add(key)
        return key

    def _check_series(self, kind: _Kind, name: str, labels: Mapping[str, str]) -> None:
        if (metric := METRICS.get(name)) is None:
            raise ValueError(f"there is no metric {name!r}")
        if metric.kind != kind:
            raise ValueError(f"{name} is a {metric.kind}, not a {kind}")
        if set(labels) != set(metric.labels):
            raise ValueError(f"{name} has the labels {metric.labels}, not {tuple(labels)}")
        for label, value in labels.items():
            known = CLOSED.get(label)
            if not (self._is_name(label, value) if known is None else value in known):
                raise ValueError(f"{name}: the label {label} cannot be {value!r}")
        if not _reason_fits(labels):
            raise ValueError(f"{name}: reason {labels['reason']!r} does not go with the outcome")
        for label in self._names.keys() & labels.keys():
            self._names[label].add(labels[label])

    def _is_name(self, label: str, value: str) -> bool:
        names = self._names[label]
        return value in names or (
            len(names) < MOST_VALUES[label] and _NAME.fullmatch(value) is not None
        )


def _reason_fits(labels: Mapping[str, str]) -> bool:
    """Tell whether there is a reason where something was refused, and nowhere else."""
    if "reason" not in labels:
        return True
    return (labels["reason"] == "") == (labels.get("outcome") in _WITHOUT_REASON)


class NoMetrics:
    """Forgets every measurement, but refuses the same ones that PrometheusMetrics refuses."""

    def __init__(self) -> None:
        self._rules = _Rules()

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Check it."""
        self._rules.check("counter", name, amount, labels)

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Check it."""
        self._rules.check("histogram", name, value, labels)

    def set(self, name: str, value: float, **labels: str) -> None:
        """Check it."""
        self._rules.check("gauge", name, value, labels)


class PrometheusMetrics:
    """Keeps what was measured, and figures of this process, in a registry of its own.

    The series of the `stages` are there from the start, at 0: a rate sees the first event too.
    """

    def __init__(self, *, stages: Collection[str] = ()) -> None:
        # A second series beside each, of when it began, which nobody here asks; the client has no
        # switch for one registry alone.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._rules = _Rules()
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._families = {name: _family(name, self._registry) for name in METRICS}
        self._series: dict[_Key, Counter | Gauge | Histogram] = {}
        for stage in stages:
            for name, labels in _known_series(stage):
                kind = METRICS[name].kind
                self._of(self._rules.check(kind, name, 0, labels))

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter."""
        counter = self._of(self._rules.check("counter", name, amount, labels))
        assert isinstance(counter, Counter)
        counter.inc(amount)

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add one observation to a histogram."""
        histogram = self._of(self._rules.check("histogram", name, value, labels))
        assert isinstance(histogram, Histogram)
        histogram.observe(value)

    def set(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        gauge = self._of(self._rules.check("gauge", name, value, labels))
        assert isinstance(gauge, Gauge)
        gauge.set(value)

    def exposition(self, accept: str = "") -> tuple[str, bytes]:
        """Return the content type and all metrics, as OpenMetrics where `accept` asks for it."""
        if "application/openmetrics-text" in accept:
            text: bytes = openmetrics.generate_latest(self._registry)  # type: ignore[no-untyped-call]
            return openmetrics.CONTENT_TYPE_LATEST, text
        return CONTENT_TYPE_PLAIN_0_0_4, generate_latest(self._registry)

    def _of(self, key: _Key) -> Counter | Gauge | Histogram:
        series = self._series.get(key)
        if series is None:
            _, name, labels = key
            series = self._series[key] = self._families[name].labels(**dict(labels))
        return series


def _family(name: str, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
    metric = METRICS[name]
    text, labels = metric.explanation, metric.labels
    if metric.kind == "counter":
        return Counter(name, text, labels, registry=registry)
    if metric.kind == "gauge":
        return Gauge(name, text, labels, registry=registry)
    return Histogram(name, text, labels, registry=registry, buckets=BUCKETS_SECONDS)


def _known_series(stage: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Name the series of a stage of which all labels are known."""
    values = {**CLOSED, "stage": frozenset({stage})}
    for name, metric in METRICS.items():
        if "stage" in metric.labels and set(metric.labels) <= values.keys():
            for chosen in product(*(sorted(values[label]) for label in metric.labels)):
                labels = dict(zip(metric.labels, chosen, strict=True))
                if _reason_fits(labels):
                    yield name, labels
