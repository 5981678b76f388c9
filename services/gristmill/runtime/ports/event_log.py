"""What a running service tells of itself: events with fields, for machines to search.

Not for people at a terminal (that is `Progress`), nor for figures (that is `Metrics`).
"""

from typing import Protocol


class EventLog(Protocol):
    """Takes events; `event` is a constant lower-case phrase, every fact is a field.

    A batch or a change of state is worth an event, a document is not; no field holds the text of a
    document. An exception goes into the field `error`.
    """

    def info(self, event: str, /, **fields: object) -> None:
        """Tell what happened as it should."""
        ...

    def warning(self, event: str, /, **fields: object) -> None:
        """Tell what went wrong and is being put right."""
        ...

    def error(self, event: str, /, **fields: object) -> None:
        """Tell what went wrong and needs somebody."""
        ...
