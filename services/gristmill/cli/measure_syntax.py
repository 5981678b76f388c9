"""Measuring the syntax check on labelled files, one JSON record each."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from gristmill.cli.labelled import content_of, read_records, text_of
from gristmill.cli.measure import Figure
from gristmill.runtime.model.document import UNCHECKED
from gristmill.runtime.model.languages import Language, find_language
from gristmill.syntax.settings import SyntaxSettings
from gristmill.syntax.verdict import Verdict, judge

_NAMED: Final = "Python"


@dataclass(slots=True)
class MeasuredSyntax:
    """Verdicts on labelled files, counted by language."""

    sound: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    unchecked: Counter[str] = field(default_factory=Counter)
    undecodable: int = 0
    """Labelled files that are no text in any encoding: ingestion drops them before."""
    pieces: Counter[bool] = field(default_factory=Counter)
    """Pieces of programs that are labelled ok, by whether they pass."""
    wrong: list[dict[str, Any]] = field(default_factory=list)
    """What was judged otherwise than it is labelled."""

    def count(self, record: dict[str, Any], language: Language, verdict: Verdict) -> None:
        """Count one verdict on a record that is labelled ok or error."""
        name = language.name
        if verdict.checker == UNCHECKED:
            self.unchecked[name] += 1
            return
        is_sound = record["syntax"]["status"] == "ok"
        if record.get("fragment"):
            self.pieces[verdict.is_ok] += is_sound
            return
        (self.sound if is_sound else self.broken)[name] += 1
        # Well-formed in a dialect and not in the language is what a label of an error says too.
        passes = verdict.is_ok and (is_sound or not verdict.dialect or name == _NAMED)
        if passes == is_sound:
            return
        (self.rejected if is_sound else self.missed)[name] += 1
        share = round(verdict.error_share, 6)
        found = {"language": name, "label": record["syntax"]["status"], "error_share": share}
        self.wrong.append({"id": record.get("id"), **found, "checker": verdict.checker})

    def figures(self) -> dict[str, Figure]:
        """Return the figures over all languages, then those of each language."""
        figures = {
            "false_rejections": Figure(self.rejected.total(), self.sound.total()),
            "misses_python": Figure(self.missed[_NAMED], self.broken[_NAMED]),
            "misses": Figure(self.missed.total(), self.broken.total()),
            "pieces_rejected": Figure(self.pieces[False], self.pieces.total()),
        }
        for name in sorted(self.sound):
            figures[f"false_rejections_{name}"] = Figure(self.rejected[name], self.sound[name])
        for name in sorted(self.broken):
            figures[f"misses_{name}"] = Figure(self.missed[name], self.broken[name])
        return figures

    def as_json(self) -> dict[str, Any]:
        """Return the figures, what is unchecked, and each wrong verdict."""
        return {
            **{name: figure.as_json() for name, figure in self.figures().items()},
            "unchecked": dict(sorted(self.unchecked.items())),
            "undecodable": self.undecodable,
            "wrong": self.wrong,
        }


def measure_syntax(data: str) -> MeasuredSyntax:
    """Return how the files of a directory that are labelled ok or error are judged."""
    measured = MeasuredSyntax()
    for place, record in read_records(data):
        if not _is_labelled(record):
            continue
        language = find_language(str(record.get("language")))
        text = text_of(content_of(place, record))
        measured.undecodable += text is None
        if language is not None and text is not None:
            least = SyntaxSettings().error_budget
            measured.count(record, language, judge(language, text, least_budget=least))
    return measured


def _is_labelled(record: dict[str, Any]) -> bool:
    """Return whether a record's label is a verdict on the language itself."""
    syntax = record.get("syntax")
    if not isinstance(syntax, dict):
        return False
    # Python 2 is an error to Python 3's parser, and well-formed for all that.
    return syntax.get("status") in ("ok", "error") and not syntax.get("dialect")
