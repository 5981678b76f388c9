"""What a streaming worker tells of where it stands: in work, behind, and in its group."""

from collections.abc import Mapping

from gristmill.runtime.ports import Clock, Metrics, Partition


class Standing:
    """Tells the metrics of one stage's worker, and remembers what it has told."""

    def __init__(self, stage: str, metrics: Metrics, clock: Clock) -> None:
        self._stage = stage
        self._metrics = metrics
        self._clock = clock
        self._topics: set[str] = set()
        self._assigned: frozenset[Partition] = frozenset()
        self._has_lost = False
        self._oldest: float | None = None

    def lost(self) -> None:
        """Note that partitions were taken away: that counts, also if they are back by now."""
        self._has_lost = True

    def tell_in_work(self, *, num_bytes: int, num_records: int, paused: bool) -> None:
        """Tell what is polled and not committed yet."""
        tell = self._metrics.set
        tell("gristmill_inflight_bytes", num_bytes, stage=self._stage)
        tell("gristmill_inflight_records", num_records, stage=self._stage)
        tell("gristmill_paused", int(paused), stage=self._stage)

    def tell_lag(self, lag: Mapping[str, int]) -> None:
        """Tell the lag by topic; of a topic that was told before and is not here, none."""
        gone = dict.fromkeys(self._topics - lag.keys(), 0)  # whoever has it now tells of it
        self._topics = set(lag)
        for topic, records in {**gone, **lag}.items():
            self._metrics.set("gristmill_lag_records", records, stage=self._stage, topic=topic)

    def tell_age(self, oldest: float | None, *, is_failing: bool) -> None:
        """Tell how old the oldest record in work is, of which the time is given if there is one."""
        if oldest is not None:
            self._oldest = oldest
        elif not is_failing:  # what is to come again is as old as it was
            self._oldest = None
        age = 0.0 if self._oldest is None else self._clock.now().timestamp() - self._oldest
        self._metrics.set("gristmill_lag_seconds", max(0.0, age), stage=self._stage)

    def tell_assigned(self, assigned: frozenset[Partition]) -> None:
        """Count a rebalance if it changed what this worker has."""
        if self._has_lost or assigned != self._assigned:
            self._has_lost, self._assigned = False, assigned
            self._metrics.count("gristmill_rebalances_total", stage=self._stage)
