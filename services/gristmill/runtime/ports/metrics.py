"""What a worker measures: the closed list of metrics, and how they are told."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric: its labels come from closed sets, its unit is in its name."""

    kind: Literal["counter", "gauge", "histogram"]
    explanation: str
    labels: tuple[str, ...] = ("stage",)


METRICS: Mapping[str, Metric] = {
    "gristmill_documents_total": Metric(
        kind="counter",
        labels=("stage", "outcome", "reason"),
        explanation="Documents decided, counted when their transaction is committed.",
    ),
    "gristmill_dead_letters_total": Metric(
        kind="counter", labels=("stage", "reason"), explanation="Records set aside as dead letters."
    ),
    "gristmill_quarantined_total": Metric(
        kind="counter",
        labels=("grammar",),
        explanation="Records whose parse by a grammar was ended: too slow, too large, a crash.",
    ),
    "gristmill_transactions_total": Metric(
        kind="counter",
        labels=("stage", "result"),
        explanation="Transactions by result: committed, or rewound (aborted, or nobody knows).",
    ),
    "gristmill_transaction_seconds": Metric(
        kind="histogram", explanation="Time from the begin of a transaction to its commit."
    ),
    "gristmill_process_seconds": Metric(
        kind="histogram", explanation="Time that a batch spent in the stage."
    ),
    "gristmill_batch_seconds": Metric(
        kind="histogram",
        explanation="Time from handing a batch to the stage to its commit.",
    ),
    "gristmill_transaction_begun_timestamp_seconds": Metric(
        kind="gauge",
        explanation="When the transaction that is open now began, as Unix time; 0 when none is.",
    ),
    "gristmill_rebalances_total": Metric(
        kind="counter", explanation="Times that partitions were taken from or given to the worker."
    ),
    "gristmill_lag_records": Metric(
        kind="gauge",
        labels=("stage", "topic"),
        explanation="Records of the topic that are not committed yet, in work or not read.",
    ),
    "gristmill_lag_seconds": Metric(
        kind="gauge", explanation="Age of the oldest record in work; 0 when there is none."
    ),
    "gristmill_inflight_bytes": Metric(
        kind="gauge", explanation="Bytes polled and not yet committed."
    ),
    "gristmill_inflight_records": Metric(
        kind="gauge", explanation="Records polled and not yet committed."
    ),
    "gristmill_paused": Metric(
        kind="gauge", explanation="1 while the worker takes nothing in because enough is in work."
    ),
    "gristmill_calls_total": Metric(
        kind="counter", labels=("method", "code"), explanation="Calls that ended, by gRPC status."
    ),
    "gristmill_call_seconds": Metric(
        kind="histogram", labels=("method",), explanation="Time from a call's begin to its end."
    ),
    "gristmill_calls_in_flight": Metric(
        kind="gauge", labels=("method",), explanation="Calls that run now."
    ),
    "gristmill_submitted_items_total": Metric(
        kind="counter",
        labels=("stage", "receipt"),
        explanation="Items answered at the front door, by what their receipts say.",
    ),
    "gristmill_submitted_bytes_total": Metric(
        kind="counter", explanation="Bytes of requests that came in at the front door."
    ),
    "gristmill_submit_write_seconds": Metric(
        kind="histogram", explanation="Time until submitted items were safe in the log."
    ),
    "gristmill_submit_inflight_bytes": Metric(
        kind="gauge", explanation="Bytes of requests at the front door that are not safe yet."
    ),
    "gristmill_table_commit_seconds": Metric(
        kind="histogram", labels=("table",), explanation="Time of a commit to an Iceberg table."
    ),
    "gristmill_table_rows_total": Metric(
        kind="counter", labels=("table",), explanation="Rows added to an Iceberg table."
    ),
}


class Metrics(Protocol):
    """Takes measurements; a name or label that METRICS does not declare is an error."""

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter."""
        ...

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add one observation to a histogram."""
        ...

    def set(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        ...
