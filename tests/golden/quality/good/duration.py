import re
from datetime import timedelta

_SECONDS_PER_UNIT = {
    "w": 7 * 24 * 3600,
    "d": 24 * 3600,
    "h": 3600,
    "m": 60,
    "s": 1,
    "ms": 0.001,
}
_UNIT_ORDER = list(_SECONDS_PER_UNIT)
_COMPONENT = re.compile(r"(?P<amount>\d+(?:\.\d+)?)\s*(?P<unit>ms|[wdhms])\s*")


class DurationError(ValueError):
    def __init__(self, text, position, reason):
        super().__init__(f"{reason} at position {position} in {text!r}")
        self.text = text
        self.position = position


def parse(text):
    """Turn ``"1h30m"`` or ``"2d 12h"`` into a timedelta.

    Units must appear from largest to smallest and at most once each.
    """
    stripped = text.strip()
    if not stripped:
        raise DurationError(text, 0, "empty duration")

    sign, body = _split_sign(stripped)
    seconds = sum(
        amount * _SECONDS_PER_UNIT[unit] for amount, unit in _components(body)
    )
    return timedelta(seconds=sign * seconds)


def render(delta, max_components=None):
    """Inverse of :func:`parse`; drops the smallest parts past the limit."""
    total_ms = round(delta.total_seconds() * 1000)
    if total_ms == 0:
        return "0s"

    sign = "-" if total_ms < 0 else ""
    remaining = abs(total_ms)
    parts = []
    for unit in _UNIT_ORDER:
        unit_ms = round(_SECONDS_PER_UNIT[unit] * 1000)
        amount, remaining = divmod(remaining, unit_ms)
        if amount:
            parts.append(f"{amount}{unit}")
    return sign + "".join(parts[:max_components])


def _split_sign(text):
    if text[0] in "+-":
        return (-1 if text[0] == "-" else 1), text[1:].lstrip()
    return 1, text


def _components(body):
    position = 0
    smallest_seen = -1
    while position < len(body):
        match = _COMPONENT.match(body, position)
        if match is None:
            raise DurationError(body, position, "expected a number and a unit")

        rank = _UNIT_ORDER.index(match["unit"])
        if rank <= smallest_seen:
            raise DurationError(body, position, f"unit {match['unit']!r} out of order")

        smallest_seen = rank
        yield float(match["amount"]), match["unit"]
        position = match.end()

    if position == 0:
        raise DurationError(body, 0, "sign without a duration")
