"""How streaming workers pace themselves."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """How a streaming worker paces itself. None of it changes what is kept."""

    workers: int = 0
    """Worker processes of a pure stage; 0 takes one for each processor it may use."""

    batch_records: int = 500
    """Records in one transaction at most; larger transactions cost less each and wait longer. Four
    times as many are in work at most: what a death makes undone, or suspect."""

    batch_bytes: int = 1 << 20
    """Bytes in one transaction at most, as they were read; readers behind it wait that long."""

    linger_seconds: float = 0.05
    """Seconds that records wait for company while the worker is busy with others."""

    inflight_bytes: int = 24 << 20
    """Bytes polled and not yet committed, above which nothing more is polled: bounds memory."""

    drain_seconds: float = 20.0
    """Seconds after SIGTERM until the process has ended; less than the pod's grace period."""

    stall_seconds: float = 120.0
    """Seconds without a turn of the loop that end the process; with lag and no progress five times
    as many."""

    max_dead_share: float = 0.05
    """Share of the last thousand records that may be set aside; beyond, it is an outage."""

    dead_allowed: int = 20
    """Records that may be set aside of the last thousand, whatever their share."""

    commit_bytes: int = 48 << 20
    """Bytes of text and decisions after which the shards worker writes the tables."""

    commit_seconds: float = 10.0
    """Seconds after which it writes them even if there is little to write."""

    def __post_init__(self) -> None:
        for name in ("batch_records", "batch_bytes", "inflight_bytes", "commit_bytes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        for name in ("drain_seconds", "stall_seconds"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be above 0")
        if self.max_dead_share > 1:
            raise ValueError("max_dead_share is a share, 0 to 1")
