"""A guess: a language and how sure it is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Guess:
    """A language by name, and how sure the classifier is of it, 0 to 1."""

    name: str
    certainty: float
