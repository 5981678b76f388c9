"""How one field of the model crosses to a field of a message and back.

A value that cannot cross is an UnfitError, which says why.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.timestamp_pb2 import Timestamp

Value = Any
"""The value of a field, on either side; only the field's own rule knows the type."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_INT64_END = 2**63


class UnfitError(Exception):
    """One field's value cannot cross; says why, as the end of a sentence that its name begins."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How one field crosses. None on the model's side is always a field that the message lacks.

    `absent` says what reading does with a message that lacks the field: refuse it, let the
    model's default stand, or nothing, because protobuf cannot tell absent from empty.
    """

    encode: Callable[[Value], Value]
    decode: Callable[[Value], Value]
    absent: Literal["unseen", "default", "refused"] = "unseen"

    def optional(self) -> "Rule":
        """Return the same rule for a field that may be absent."""
        return Rule(self.encode, self.decode, "default")


def _as_is(value: Value) -> Value:
    return value


def _given(text: str) -> str:
    if not text:
        raise UnfitError("is missing")
    return text


def _count(number: int) -> int:
    if not 0 <= number < _INT64_END:
        raise UnfitError(f"is {number}, outside 0 to 2^63 - 1")
    return number


def _counts(numbers: Sequence[int]) -> tuple[int, ...]:
    if numbers and not 0 <= min(numbers) <= max(numbers) < _INT64_END:
        raise UnfitError("holds a number outside 0 to 2^63 - 1")
    return tuple(numbers)


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise UnfitError(f"is {number}, not a finite number")
    return number


def timestamp_of(moment: datetime) -> Timestamp:
    """Return a moment, which has a time zone, as a timestamp."""
    if moment.utcoffset() is None:
        raise UnfitError("carries no time zone")
    if not _FIRST <= moment <= _LAST:
        raise UnfitError("lies outside the years 1 to 9999 of UTC")
    since = moment - _EPOCH
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1000)


def moment_of(timestamp: Timestamp) -> datetime:
    """Return a timestamp as a moment in UTC, to the microsecond."""
    if not 0 <= timestamp.nanos < 1_000_000_000:
        raise UnfitError(f"has {timestamp.nanos} nanoseconds, outside 0 to 999999999")
    try:
        since = timedelta(seconds=timestamp.seconds, microseconds=timestamp.nanos // 1000)
        return _EPOCH + since
    except OverflowError as error:
        raise UnfitError("lies outside the years 1 to 9999 of UTC") from error


def enum_rule(twin: type[StrEnum], wire: EnumDescriptor) -> Rule:
    """Return the rule of an enum, whose names have the model's behind the prefix of the zero."""
    prefix = wire.values_by_number[0].name.removesuffix("UNSPECIFIED")
    numbers = {member: wire.values_by_name[prefix + member.name].number for member in twin}
    members = {number: member for member, number in numbers.items()}

    def decode(number: int) -> StrEnum:
        if number not in members:
            unknown = f"is {number}, which this version does not know"
            raise UnfitError(unknown if number else "is missing")
        return members[number]

    return Rule(numbers.__getitem__, decode)


def each(rule: Rule) -> Rule:
    """Return the rule of a repeated field whose every value crosses by the given one."""
    return Rule(
        lambda values: [rule.encode(value) for value in values],
        lambda values: tuple(rule.decode(value) for value in values),
    )


PLAIN = Rule(_as_is, _as_is)
GIVEN = Rule(_given, _given)
COUNT = Rule(_count, _count)
COUNTS = Rule(_counts, _counts)
FINITE = Rule(_finite, _finite)
MOMENT = Rule(timestamp_of, moment_of)
