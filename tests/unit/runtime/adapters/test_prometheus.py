"""Metrics: what is declared can be measured, nothing else; the series stay few; it parses."""

import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser

from gristmill.runtime.adapters.prometheus import (
    BUCKETS_SECONDS,
    CLOSED,
    MOST_VALUES,
    NoMetrics,
    PrometheusMetrics,
)
from gristmill.runtime.model import OutcomeKind, Reason
from gristmill.runtime.ports import METRICS, Metrics

SAMPLE = {
    "stage": "syntax",
    "outcome": "drop",
    "reason": "minified",
    "result": "committed",
    "receipt": "accepted",
    "topic": "gristmill.syntax.v1",
    "table": "files",
    "grammar": "cpp",
    "method": "SyntaxService.Parse",
    "code": "OK",
}


@pytest.fixture(params=[NoMetrics, PrometheusMetrics])
def metrics(request: pytest.FixtureRequest) -> Metrics:
    made: Metrics = request.param()
    return made


def measure(metrics: Metrics, name: str, value: float = 1, **changed: str) -> None:
    labels = {label: SAMPLE[label] for label in METRICS[name].labels} | changed
    takes = {"counter": metrics.count, "gauge": metrics.set, "histogram": metrics.observe}
    takes[METRICS[name].kind](name, value, **labels)


def values(metrics: PrometheusMetrics) -> Mapping[tuple[str, frozenset[tuple[str, str]]], float]:
    _, text = metrics.exposition()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parser.text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def value(metrics: PrometheusMetrics, name: str, **labels: str) -> float:
    return values(metrics)[name, frozenset(labels.items())]


@pytest.mark.parametrize("name", METRICS)
def test_every_declared_metric_can_be_used(metrics: Metrics, name: str) -> None:
    measure(metrics, name)
    measure(metrics, name)


def test_measurements_are_told() -> None:
    metrics = PrometheusMetrics()
    metrics.count("gristmill_rebalances_total", stage="dedup")
    metrics.count("gristmill_rebalances_total", 2.0, stage="dedup")
    metrics.set("gristmill_paused", 1, stage="dedup")
    metrics.set("gristmill_paused", 0, stage="dedup")
    metrics.observe("gristmill_batch_seconds", 0.002, stage="dedup")
    metrics.observe("gristmill_batch_seconds", 99.0, stage="dedup")
    assert value(metrics, "gristmill_rebalances_total", stage="dedup") == 3
    assert value(metrics, "gristmill_paused", stage="dedup") == 0
    assert value(metrics, "gristmill_batch_seconds_sum", stage="dedup") == 99.002
    assert value(metrics, "gristmill_batch_seconds_bucket", stage="dedup", le="0.0025") == 1
    assert value(metrics, "gristmill_batch_seconds_bucket", stage="dedup", le="60.0") == 1
    assert value(metrics, "gristmill_batch_seconds_bucket", stage="dedup", le="+Inf") == 2


def test_labels_may_come_in_any_order_and_as_members_of_their_enums() -> None:
    metrics = PrometheusMetrics()
    name = "gristmill_documents_total"
    metrics.count(name, stage="syntax", outcome=OutcomeKind.DROP, reason=Reason.MINIFIED)
    metrics.count(name, reason="minified", stage="syntax", outcome="drop")
    assert value(metrics, name, stage="syntax", outcome="drop", reason="minified") == 2


@pytest.mark.parametrize(
    ("name", "labels", "named"),
    [
        ("gristmill_surprises_total", {"stage": "syntax"}, "gristmill_surprises_total"),
        ("gristmill_paused", {"stage": "syntax"}, "gauge"),
        ("gristmill_rebalances_total", {}, "stage"),
        ("gristmill_rebalances_total", {"stage": "syntax", "path": "a.py"}, "path"),
        ("gristmill_rebalances_total", {"stage": "https://example.org/x"}, "example.org"),
        ("gristmill_rebalances_total", {"stage": ""}, "stage"),
        ("gristmill_rebalances_total", {"stage": "s" * 250}, "stage"),
        ("gristmill_dead_letters_total", {"stage": "syntax", "reason": "because"}, "because"),
        ("gristmill_dead_letters_total", {"stage": "syntax", "reason": ""}, "reason"),
        ("gristmill_transactions_total", {"stage": "syntax", "result": "lost"}, "lost"),
        (
            "gristmill_documents_total",
            {"stage": "syntax", "outcome": "keep", "reason": "minified"},
            "minified",
        ),
        ("gristmill_documents_total", {"stage": "syntax", "outcome": "drop", "reason": ""}, "''"),
        ("gristmill_documents_total", {"stage": "syntax", "outcome": "", "reason": ""}, "outcome"),
    ],
)
def test_what_is_not_declared_is_refused_by_name(
    metrics: Metrics, name: str, labels: dict[str, str], named: str
) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match=named):
            metrics.count(name, **labels)


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_figure_that_would_spoil_the_sum_is_refused(metrics: Metrics, number: float) -> None:
    with pytest.raises(ValueError, match="gristmill_process_seconds"):
        metrics.observe("gristmill_process_seconds", number, stage="syntax")
    with pytest.raises(ValueError, match="gristmill_rebalances_total"):
        metrics.count("gristmill_rebalances_total", -1, stage="syntax")


@pytest.mark.parametrize("label", MOST_VALUES)
def test_a_label_takes_a_few_names_and_no_more(metrics: Metrics, label: str) -> None:
    name = next(name for name, metric in METRICS.items() if label in metric.labels)
    for number in range(MOST_VALUES[label]):
        measure(metrics, name, **{label: f"name-{number}"})
    with pytest.raises(ValueError, match="one-more"):
        measure(metrics, name, **{label: "one-more"})
    measure(metrics, name, **{label: "name-0"})


def test_a_refused_series_uses_up_no_name(metrics: Metrics) -> None:
    for number in range(100):
        with pytest.raises(ValueError, match="because"):
            measure(metrics, "gristmill_dead_letters_total", stage=f"s{number}", reason="because")
    measure(metrics, "gristmill_dead_letters_total")


def test_the_cardinality_is_closed() -> None:
    """All that one process can ever show is less than 2,500 series."""
    metrics = PrometheusMetrics()
    names = {label: [f"n{at}" for at in range(most)] for label, most in MOST_VALUES.items()}
    possible = {label: sorted(known) for label, known in CLOSED.items()} | names
    for name, metric in METRICS.items():
        combinations: list[dict[str, str]] = [{}]
        for label in metric.labels:
            combinations = [c | {label: v} for c in combinations for v in possible[label]]
        for labels in combinations:
            with suppress(ValueError):  # a reason that does not go with the outcome
                measure(metrics, name, **labels)
    assert 1500 < len(values(metrics)) < 2500


def test_the_series_of_a_stage_are_there_before_anything_happens() -> None:
    metrics = PrometheusMetrics(stages=["syntax"])
    first = values(metrics)
    assert value(metrics, "gristmill_transactions_total", stage="syntax", result="rewound") == 0
    assert value(metrics, "gristmill_dead_letters_total", stage="syntax", reason="unhandled") == 0
    assert value(metrics, "gristmill_lag_seconds", stage="syntax") == 0
    measure(metrics, "gristmill_documents_total")
    measure(metrics, "gristmill_batch_seconds")
    assert values(metrics).keys() == first.keys()


def test_registries_are_apart_from_each_other() -> None:
    one, other = PrometheusMetrics(), PrometheusMetrics()
    measure(one, "gristmill_paused")
    assert value(one, "gristmill_paused", stage="syntax") == 1
    assert ("gristmill_paused", frozenset({("stage", "syntax")})) not in values(other)


def test_figures_of_the_process_are_told() -> None:
    names = {name for name, _ in values(PrometheusMetrics())}
    assert {"process_resident_memory_bytes", "process_cpu_seconds_total"} <= names


@pytest.mark.parametrize(
    ("accept", "kind", "parse"),
    [
        ("", "text/plain", parser.text_string_to_metric_families),
        ("*/*", "text/plain", parser.text_string_to_metric_families),
        (
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4",
            "application/openmetrics-text",
            openmetrics_parser.text_string_to_metric_families,
        ),
        (
            "application/openmetrics-text; version=nonsense",
            "application/openmetrics-text",
            openmetrics_parser.text_string_to_metric_families,
        ),
    ],
)
def test_the_exposition_parses(accept: str, kind: str, parse: Any) -> None:
    metrics = PrometheusMetrics(stages=["syntax"])
    for name in METRICS:
        measure(metrics, name)
    content_type, text = metrics.exposition(accept)
    assert content_type.startswith(kind)
    families = {family.name: family for family in parse(text.decode())}
    for name, metric in METRICS.items():
        family = families[name.removesuffix("_total")]
        assert family.type == metric.kind
        assert family.documentation == metric.explanation
        assert not any(sample.name.endswith("_created") for sample in family.samples)


def test_buckets_reach_from_a_millisecond_to_a_minute() -> None:
    assert (BUCKETS_SECONDS[0], BUCKETS_SECONDS[-1]) == (0.001, 60)
    assert list(BUCKETS_SECONDS) == sorted(set(BUCKETS_SECONDS))
