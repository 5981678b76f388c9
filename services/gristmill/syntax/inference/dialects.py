"""Languages that contain another one: only what the other does not have tells them apart.

TypeScript without a type is JavaScript. The classifier goes by the company that words keep, and
mistakes one for the other where projects differ in habits; here a mark is asked for.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from gristmill.syntax.inference.guess import Guess
from gristmill.syntax.inference.marks import marked

_PARENTS: Final[Mapping[str, str]] = {
    "C++": "C",
    "Objective-C": "C",
    "TypeScript": "JavaScript",
}

_WITHIN: Final = 0.1
"""A dialect with a mark wins over its parent if it is no less likely than this share of it."""


def told_apart(guesses: Sequence[Guess], text: str) -> Sequence[Guess]:
    """Return a ranking in whose first place a dialect has a mark and a parent's text has none."""
    first = guesses[0]
    parent = _PARENTS.get(first.name)
    if parent is not None and not _speaks_for(first.name, text):
        return _promoted(guesses, parent)
    least = first.certainty * _WITHIN
    for guess in guesses[1:]:
        if guess.certainty < least:
            break
        if _PARENTS.get(guess.name) == first.name and _speaks_for(guess.name, text):
            return _promoted(guesses, guess.name)
    return guesses


def _speaks_for(name: str, text: str) -> bool:
    # Flow's annotations look like TypeScript's, and it names itself.
    return marked(name, text) and not (name == "TypeScript" and "@flow" in text)


def _promoted(guesses: Sequence[Guess], name: str) -> Sequence[Guess]:
    """Return the ranking with a language first; it inherits what the first one was sure of."""
    first = guesses[0]
    promoted = [guess for guess in guesses if guess.name == name]
    if not promoted:
        return guesses
    others = [guess for guess in guesses[1:] if guess.name != name]
    return [Guess(name, first.certainty), Guess(first.name, promoted[0].certainty), *others]
