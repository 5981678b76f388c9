"""The knobs of the dedup service."""

from dataclasses import dataclass

from gristmill.runtime.ports.index import DEFAULT_THRESHOLD


@dataclass(frozen=True, slots=True, kw_only=True)
class DedupSettings:
    """How alike two documents are when one of them goes. The bands are chosen for about 0.7."""

    threshold: float = DEFAULT_THRESHOLD
    """Estimated Jaccard similarity from which a document is a near-duplicate of a kept one."""

    def __post_init__(self) -> None:
        if not 0.5 <= self.threshold <= 1:
            raise ValueError("threshold must be between 0.5 and 1")
