"""The knobs of the dedup service."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DedupSettings:
    """Empty: equality has no knobs; near-dedup brings its own."""
