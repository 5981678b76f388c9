"""Convert between measurement units and keep track of dimensions."""

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Unit:
    symbol: str
    dimension: str
    factor: Fraction
    offset: Fraction = Fraction(0)

    def to_base(self, value):
        return value * self.factor + self.offset

    def from_base(self, value):
        return (value - self.offset) / self.factor


class IncompatibleUnits(TypeError):
    def __init__(self, source, target):
        super().__init__(
            f"cannot convert {source.symbol} ({source.dimension}) "
            f"to {target.symbol} ({target.dimension})"
        )


# dimension -> base unit first, then (symbol, size in base units[, zero offset])
_DEFINITIONS = {
    "length": [
        ("m", "1"),
        ("mm", "1/1000"),
        ("cm", "1/100"),
        ("km", "1000"),
        ("in", "0.0254"),
        ("ft", "0.3048"),
        ("yd", "0.9144"),
        ("mi", "1609.344"),
        ("nmi", "1852"),
    ],
    "mass": [
        ("kg", "1"),
        ("g", "1/1000"),
        ("t", "1000"),
        ("oz", "0.028349523125"),
        ("lb", "0.45359237"),
        ("st", "6.35029318"),
    ],
    "temperature": [
        ("K", "1"),
        ("C", "1", "273.15"),
        ("F", "5/9", "45967/180"),
    ],
    "time": [
        ("s", "1"),
        ("ms", "1/1000"),
        ("min", "60"),
        ("h", "3600"),
        ("d", "86400"),
    ],
}


def _build_registry(definitions):
    registry = {}
    for dimension, rows in definitions.items():
        for symbol, *numbers in rows:
            if symbol in registry:
                raise ValueError(f"duplicate unit symbol {symbol!r}")
            registry[symbol] = Unit(symbol, dimension, *map(Fraction, numbers))
    return registry


UNITS = _build_registry(_DEFINITIONS)


def convert(value, source, target):
    """Convert exactly; pass an int, a Fraction or a decimal string.

    >>> float(convert(100, "C", "F"))
    212.0
    """
    source_unit, target_unit = UNITS[source], UNITS[target]
    if source_unit.dimension != target_unit.dimension:
        raise IncompatibleUnits(source_unit, target_unit)
    return target_unit.from_base(source_unit.to_base(Fraction(value)))


def best_unit(value, unit):
    """Pick the unit of the same dimension that gives the smallest value >= 1.

    Units with an offset are never suggested, since "at least one" has no
    meaning on a scale whose zero is arbitrary.
    """
    candidates = [
        (convert(value, unit, other.symbol), other.symbol)
        for other in UNITS.values()
        if other.dimension == UNITS[unit].dimension and not other.offset
    ]
    readable = [pair for pair in candidates if pair[0] >= 1]
    return min(readable) if readable else max(candidates)
