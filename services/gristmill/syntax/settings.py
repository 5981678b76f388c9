"""The knobs of the syntax service."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntaxSettings:
    """How much may be wrong. Every field is part of a source's identity."""

    error_budget: float = 0.01
    """Share of a file's bytes that may lie under syntax errors; for languages without their own."""

    drop_unknown: bool = True
    """Whether files in no known language are dropped as `unknown_language`."""
