"""Measuring how well languages are found, on labelled files, one JSON record each."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gristmill.cli.labelled import content_of, read_records, text_of
from gristmill.cli.measure import Figure
from gristmill.runtime.model.languages import Language, find_language
from gristmill.syntax.inference import infer_content, infer_language

COMMON: Final = frozenset(
    (
        "C", "C#", "C++", "CSS", "Go", "HTML", "Haskell", "JSON", "Java", "JavaScript", "Kotlin",
        "Lua", "MATLAB", "Makefile", "Markdown", "PHP", "Perl", "PowerShell", "Python", "R", "Ruby",
        "Rust", "SQL", "Scala", "Shell", "Swift", "TeX", "TypeScript", "YAML", "reStructuredText",
    )
)  # fmt: skip
"""The thirty languages that are also found without a name: those for whose files the paper has
labels of quality, less RMarkdown, and ten more of the most common in public code."""

LEAST_CHARS: Final = 100
"""A text below this says too little: `[1, 2]` is as good in eight languages. Counted apart."""

# A grammar of its own in the table, the same language in the truth.
_PARTS: Final[Mapping[str, str]] = {"F# Signature": "F#", "OCaml Interface": "OCaml"}

_NAMED_SET: Final = "language-samples"
_FOLDER_LABELS: Final = "grammar-examples"


@dataclass(slots=True)
class Tally:
    """Right and wrong answers by language."""

    right: Counter[str] = field(default_factory=Counter)
    all: Counter[str] = field(default_factory=Counter)
    mistaken: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By (truth, answer); the answer for no language is "-"."""

    def count(self, truth: str, found: Language | None) -> None:
        """Count one answer."""
        answer = _PARTS.get(found.name, found.name) if found else "-"
        self.all[truth] += 1
        if answer == truth:
            self.right[truth] += 1
        else:
            self.mistaken[truth, answer] += 1

    def __add__(self, other: "Tally") -> "Tally":
        """Return the answers of both."""
        return Tally(self.right + other.right, self.all + other.all, self.mistaken + other.mistaken)

    def figure(self) -> Figure:
        """Return the share of right answers over all files."""
        return Figure(self.right.total(), self.all.total())

    def by_language(self) -> dict[str, Figure]:
        """Return the share of right answers in each language."""
        return {name: Figure(self.right[name], self.all[name]) for name in sorted(self.all)}

    def mean(self) -> float | None:
        """Return the mean of the languages' shares, None without a file."""
        shares = [self.right[name] / n for name, n in self.all.items()]
        return sum(shares) / len(shares) if shares else None


@dataclass(slots=True)
class Measured:
    """What was measured: by name and content, by content alone, and on what is foreign."""

    named: Tally = field(default_factory=Tally)
    content: Tally = field(default_factory=Tally)
    short: Tally = field(default_factory=Tally)
    foreign: Tally = field(default_factory=Tally)

    def figures(self) -> dict[str, Figure]:
        """Return the figures over all languages."""
        return {
            "named_accuracy_89": self.named.figure(),
            "content_accuracy_30": self.content.figure(),
            "content_accuracy_30_short": self.short.figure(),
            "content_accuracy_30_all": (self.content + self.short).figure(),
            "foreign_left_unknown": self.foreign.figure(),
        }

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON."""
        parts = {"named_accuracy_89": self.named, "content_accuracy_30": self.content}
        return {
            **{name: figure.as_json() for name, figure in self.figures().items()},
            **{f"{name}_macro": tally.mean() for name, tally in parts.items()},
            **{
                f"{name}_by_language": {
                    language: figure.as_json() for language, figure in tally.by_language().items()
                }
                for name, tally in parts.items()
            },
            **{
                f"{name}_mistaken": [
                    {"truth": truth, "answer": answer, "n": n}
                    for (truth, answer), n in _sorted(tally.mistaken)
                ]
                for name, tally in parts.items()
            },
        }


def measure_language(data: str) -> Measured:
    """Infer the language of every labelled file in a directory and compare."""
    measured = Measured()
    for record, text in _read_files(data):
        truth = find_language(record["language"])
        path, kind = str(record.get("path") or ""), record.get("set")
        if record.get("fragment"):
            continue
        if kind in {None, _NAMED_SET}:
            found = infer_language(path, text).language
            if truth is None:
                measured.foreign.count("-", found)
            elif truth.paper:
                measured.named.count(truth.name, found)
        if truth is not None and truth.name in COMMON and kind != _FOLDER_LABELS:
            tally = measured.content if len(text) >= LEAST_CHARS else measured.short
            tally.count(truth.name, infer_content(text).language)
    return measured


def _read_files(data: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield the labelled files with their text; of bytes that are no text, what Latin-1 makes."""
    for place, record in read_records(data):
        if isinstance(record.get("language"), str) and "content" in record:
            content = content_of(place, record)
            text = text_of(content)
            yield record, content.decode("latin-1") if text is None else text


def _sorted(counts: Counter[tuple[str, str]]) -> list[tuple[tuple[str, str], int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
