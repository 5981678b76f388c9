"""The knobs of the shards service. It has none of its own yet: a run paces the commits."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardsSettings:
    """Empty: when to commit is the runner's business, how to write is the tables'."""
