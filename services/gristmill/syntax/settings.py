"""The settings of the syntax stage."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntaxSettings:
    """How much of a file may be wrong, and what else is dropped."""

    error_budget: float = 0.0
    """Share of a file's bytes that may lie under syntax errors, where its language has no more."""

    drop_unknown: bool = True
    """Whether files in no known language are dropped as `unknown_language`."""

    drop_python_2: bool = False
    """Whether Python that only Python 2 takes is dropped as `unwanted_dialect`."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.error_budget <= 1.0:
            raise ValueError("error_budget must be between 0 and 1")
