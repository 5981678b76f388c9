"""How the front door paces itself, and how long it remembers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitSettings:
    """The front door, where crawlers submit over gRPC; it belongs to the ingestion worker."""

    directory: str = ".local/submitted"
    """Where keys of accepted items are remembered and archives wait; workers of a machine share."""

    stream_items: int = 20_000
    """Items of one stream that wait for a receipt, above which the stream is not read on."""

    stream_bytes: int = 16 << 20
    """Bytes of one stream that are not safe yet, above which the stream is not read on."""

    inflight_bytes: int = 64 << 20
    """Bytes of all streams that are not safe yet, above which no stream is read on."""

    client_items_per_second: float = 0.0
    """Items that one client may send; 0 for any number. A faster one is read more slowly."""

    client_bytes_per_second: float = 0.0
    """Bytes that one client may send; 0 for any number."""

    archive_bytes: int = 1 << 30
    """Bytes of the largest archive."""

    spool_bytes: int = 4 << 30
    """Bytes on disk of all archives that come or wait; one client has half, or one archive."""

    most_keys: int = 10_000_000
    """Keys that are remembered; beyond, the oldest are forgotten. Each takes 150 bytes or so."""

    key_days: float = 30.0
    """Days for which a key is remembered; what comes again later is dropped as `resubmitted`."""

    @property
    def client_spool_bytes(self) -> int:
        """Bytes on disk of the archives of one client: its largest fits, whatever others send."""
        return max(self.archive_bytes, self.spool_bytes // 2)

    def __post_init__(self) -> None:
        for name in ("stream_items", "stream_bytes", "inflight_bytes", "archive_bytes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        if self.spool_bytes < self.archive_bytes:
            raise ValueError("spool_bytes must be at least archive_bytes")
        if not 1000 <= self.most_keys <= 1_000_000_000:
            raise ValueError("most_keys must be between 1,000 and 1,000,000,000")
        for name in ("client_items_per_second", "client_bytes_per_second"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be 0 or more")
        if not 0 < self.key_days <= 36_500:
            raise ValueError("key_days must be above 0")
