"""Pickling of the model's values without a look at their fields each time.

Every decision and document crosses between processes. What `dataclass` gives a frozen class with
slots asks for the list of fields for each object, which took most of the time of pickling.
"""

from collections.abc import Callable, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any, TypeVar

_T = TypeVar("_T")


def quickly_pickled(cls: type[_T]) -> type[_T]:
    """Give a frozen dataclass with slots and two fields or more its state as a tuple of them."""
    names = [field.name for field in fields(cls)]  # type: ignore[arg-type]  # a dataclass
    assert len(names) > 1, "of a single name the getter gives the value itself"
    get: Callable[[object], Sequence[Any]] = attrgetter(*names)
    setters = [getattr(cls, name).__set__ for name in names]

    def getstate(self: object) -> Sequence[Any]:
        return get(self)

    def setstate(self: object, state: Sequence[Any]) -> None:
        for setter, value in zip(setters, state, strict=True):
            setter(self, value)

    cls.__getstate__ = getstate  # type: ignore[method-assign]  # that is the point
    cls.__setstate__ = setstate  # type: ignore[attr-defined]
    return cls
