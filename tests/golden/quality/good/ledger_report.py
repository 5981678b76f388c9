"""Print monthly totals per category from a bank export.

Usage: ledger_report.py EXPORT.csv [--year 2023]

The export has the columns ``date`` (ISO), ``description`` and ``amount``
(decimal point, negative for spending).  Categories come from the keyword
rules below; the first matching rule wins.
"""

import argparse
import csv
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

RULES = (
    ("rent", ("landlord", "housing association")),
    ("groceries", ("market", "bakery", "greengrocer", "butcher")),
    ("transport", ("rail", "tram", "fuel", "bicycle", "parking")),
    ("utilities", ("electric", "water board", "broadband", "heating")),
    ("health", ("pharmacy", "dentist", "optician")),
    ("income", ("salary", "refund", "interest")),
)
FALLBACK_CATEGORY = "other"
MIN_COLUMN_WIDTH = 10


@dataclass(frozen=True)
class Entry:
    day: date
    description: str
    amount: Decimal

    @property
    def month(self):
        return self.day.strftime("%Y-%m")

    @property
    def category(self):
        text = self.description.casefold()
        for category, keywords in RULES:
            if any(keyword in text for keyword in keywords):
                return category
        return FALLBACK_CATEGORY


def read_entries(path):
    with open(path, newline="", encoding="utf-8-sig") as stream:
        for row in csv.DictReader(stream):
            yield Entry(
                day=date.fromisoformat(row["date"]),
                description=row["description"].strip(),
                amount=Decimal(row["amount"]),
            )


def totals_by_month(entries):
    """Return ``{month: {category: total}}``."""
    totals = defaultdict(lambda: defaultdict(Decimal))
    for entry in entries:
        totals[entry.month][entry.category] += entry.amount
    return totals


def render(totals):
    """Lay the totals out as a fixed-width table, months down, categories across."""
    categories = sorted({name for month in totals.values() for name in month})
    width = max([MIN_COLUMN_WIDTH, *map(len, categories)])

    def line(cells):
        return "  ".join(f"{cell:>{width}}" for cell in cells)

    yield line(["month", *categories, "balance"])
    for month in sorted(totals):
        row = totals[month]
        amounts = [row.get(name, Decimal(0)) for name in categories]
        yield line([month, *(f"{amount:.2f}" for amount in (*amounts, sum(amounts)))])


def main():
    parser = argparse.ArgumentParser(description="Monthly totals per category.")
    parser.add_argument("export")
    parser.add_argument("--year", type=int)
    args = parser.parse_args()

    entries = read_entries(args.export)
    if args.year is not None:
        entries = (entry for entry in entries if entry.day.year == args.year)

    for line in render(totals_by_month(entries)):
        print(line)


if __name__ == "__main__":
    main()
