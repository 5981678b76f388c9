"""The generated page on syntax checks: who judges which language, and how well."""

from collections.abc import Iterator
from typing import Final

from gristmill.runtime.model.languages import LANGUAGES, Language
from gristmill.syntax.budgets import MOST_ASIDE, MOST_REJECTED, TABLE, Measured, Point
from gristmill.syntax.calibration import CURVE, MOST_REJECTED_BY_BUDGET, MOST_REJECTED_WITH_MACROS
from gristmill.syntax.grammars import PACK, grammar_of, package_of, why_unchecked
from gristmill.syntax.opinions import opinion_on

_WIDTH: Final = 40
_MOST_SHOWN: Final = 0.2
"""The share at which a bar of the chart is full."""


def syntax_page() -> Iterator[str]:
    """Return the lines of the page."""
    yield "# Syntax checks\n"
    yield "Who judges a file, how much of it may be wrong, and what that costs. The error share is"
    yield "the share of a file's bytes under ERROR nodes of its tree-sitter grammar; a MISSING"
    yield "node counts as one byte. Above the language's budget the file is `syntax_errors`.\n"
    yield "`gristmill syntax calibrate` derives the budgets: 0, unless that rejects more than"
    yield f"{MOST_REJECTED_BY_BUDGET:.0%} of a language's sound files, else the least step that"
    yield "does not; files that no step saves do not count. Sound are files that the language's"
    yield "own parser takes, and files of released packages, tests and templates apart. *Set aside*"
    yield "is what was mostly errors: another language under the same ending, as a rule. A run"
    yield "drops those files too, and *sound rejected* is without them. Its rates are of the files"
    yield "that the budgets were derived from; of others they may be higher. *Damaged* are sound"
    yield "files without errors from which one bracket or semicolon was taken, or an angle bracket"
    yield "where there is none of them; that does not always make them wrong. A budget of some"
    yield "percent lets most single errors pass: where the grammar is that weak, the check finds"
    yield "files that are no code or another language, not a missing bracket. MATLAB's files are"
    yield "those of Octave packages, whose own syntax counts as errors. Figures over fewer"
    yield "than 20 files say little.\n"
    yield f"A grammar that rejects more than {MOST_REJECTED:.0%} of the sound files seen, with the"
    yield f"budget chosen, or finds more than {MOST_ASIDE:.0%} of all to be mostly errors, does"
    yield "not judge, however few files were seen: a language that is rarely met gains little by a"
    yield "check and loses whole files by a bad one. `gristmill measure syntax --data DIR` measures"
    yield "the whole check on labelled files.\n"
    yield from _sources()
    yield from _parsers()
    yield "## The paper's languages\n"
    yield from _table(language for language in LANGUAGES if language.paper)
    yield "## Other languages\n"
    yield from _table(language for language in LANGUAGES if not language.paper)
    yield from _unchecked()
    yield from _c_family()


def _sources() -> Iterator[str]:
    yield f"This is table {TABLE.version}, by version {TABLE.rules} of the rules by which errors"
    yield f"are counted, from {TABLE.most} trusted files of a language in a source at most, a fifth"
    yield "of them from one package. `make budgets LABELLED=DIR` repeats it; LABELLED holds files"
    yield "that are labelled ok or error as JSON lines, the others come out of pinned packages.\n"
    yield "| source | files | bytes | SHA-256 over the files |"
    yield "| --- | --- | --- | --- |"
    for source in TABLE.sources:
        yield f"| {source.name} | {source.files:,} | {source.bytes:,} | {source.digest[:16]}… |"
    yield ""


def _parsers() -> Iterator[str]:
    names = [language.name for language in LANGUAGES if opinion_on(language.name, "") is not None]
    yield "## Languages with a parser of their own\n"
    yield f"{', '.join(names)} are judged by the language's own parser. It rules;"
    yield "the grammar judges only what that parser gives up on, such as nesting too deep for it."
    yield "Their figures in the tables below are the grammar's alone.\n"


def _table(languages: Iterator[Language]) -> Iterator[str]:
    yield (
        "| language | grammar | package | budget | sound rejected | broken missed "
        "| damaged that pass | set aside |"
    )
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for language in languages:
        grammar = grammar_of(language)
        if grammar is None:
            continue
        package = package_of(grammar)
        where = "pack" if package is PACK else f"{package.distribution} {package.version}"
        row = TABLE.languages.get(language.name)
        yield f"| {language.name} | {grammar} | {where} | {_figures(row)} |"
    yield f"\n*pack* is {PACK.distribution} {PACK.version}.\n"


def _figures(row: Measured | None) -> str:
    if row is None:
        return "default | not measured | not measured | not measured | "
    cells = (
        f"{row.budget:.4g}",
        _share(row.rejected, row.sound),
        _share(row.missed, row.broken),
        _share(row.unnoticed, row.damaged),
        str(row.aside) if row.aside else "",
    )
    return " | ".join(cells)


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole:,} ({part / whole:.1%})" if whole else ""


def _unchecked() -> Iterator[str]:
    yield "## Not checked\n"
    yield "Files in these languages pass; their `error_share` is null.\n"
    yield "| language | why |"
    yield "| --- | --- |"
    for language in LANGUAGES:
        if grammar_of(language) is None:
            yield f"| {language.name} | {why_unchecked(language)} |"
    yield ""


def _c_family() -> Iterator[str]:
    yield "## C and C++\n"
    yield "A grammar knows no macros. A file with errors is parsed again with one branch of each"
    yield "`#if` and without directives, then, a few times, without what stands where only a macro"
    yield "can stand; the reading with the fewest errors counts. A `.h` is tried as C, as C++ and"
    yield "as Objective-C. What is left is held against the budget, the least step that rejects"
    yield f"no more than {MOST_REJECTED_WITH_MACROS:.0%} of the sound files that some step"
    yield "saves: the price of each step is what passes.\n"
    for language in CURVE:
        points = [point for point in TABLE.curve if point.language == language]
        if points:
            yield from _curve(language, points)


def _curve(language: str, points: list[Point]) -> Iterator[str]:
    chosen = TABLE.languages[language].budget
    yield f"### {language}\n"
    yield "| budget | sound files rejected | broken files missed | damaged files that pass |"
    yield "| --- | --- | --- | --- |"
    for point in points:
        mark = " (chosen)" if point.budget == chosen else ""
        yield (
            f"| {point.budget:.4g}{mark} | {_share(point.rejected, point.sound)} "
            f"| {_share(point.missed, point.broken)} "
            f"| {_share(point.unnoticed, point.damaged)} |"
        )
    yield "\n```"
    yield f"rejected: of sound files, {_MOST_SHOWN:.0%} fill the bar; passed: of damaged files"
    for point in points:
        rejected = point.rejected / max(1, point.sound)
        passed = point.unnoticed / max(1, point.damaged)
        yield f"{point.budget:>7.4g}  rejected {_bar(rejected / _MOST_SHOWN)}"
        yield f"{'':>7}  passed   {_bar(passed)}"
    yield "```\n"


def _bar(share: float) -> str:
    return "#" * round(min(1.0, share) * _WIDTH)
