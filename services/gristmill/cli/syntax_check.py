"""Checking files one by one, each in a process that may be ended, and showing what was found."""

import re
import resource
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, Final

from rich.cells import cell_len
from rich.markup import escape

from gristmill.cli.console import OUT, bar, safe
from gristmill.ingestion.decode import decode
from gristmill.ingestion.settings import IngestionSettings
from gristmill.runtime.engine.worker import Limits
from gristmill.runtime.model import BadInput, Reason
from gristmill.runtime.model.document import UNCHECKED
from gristmill.runtime.model.features import Features
from gristmill.runtime.model.languages import Language, find_language
from gristmill.syntax.faults import Fault, first_fault
from gristmill.syntax.inference import infer_language
from gristmill.syntax.verdict import Verdict, examine

_LINE_CHARS: Final = 100
_BAR_CELLS: Final = 20
_READ_AROUND: Final = ("tree-sitter:c", "tree-sitter:cpp")


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found in one file; `reason` says why it would be dropped, if it would be."""

    path: str
    reason: Reason | None = None
    language: str = ""
    how: str = ""
    verdict: Verdict | None = None
    features: Features | None = None
    fault: Fault | None = None
    line: str = ""
    """The line of the fault."""

    def as_json(self) -> dict[str, Any]:
        """Return it for a machine."""
        verdict, fault = self.verdict, self.fault
        return {
            "path": self.path,
            "ok": self.reason is None,
            "reason": self.reason.value if self.reason else None,
            "language": self.language or None,
            "how": self.how or None,
            "checker": verdict.checker if verdict else None,
            "dialect": (verdict.dialect or None) if verdict else None,
            "error_share": verdict.error_share if verdict else None,
            "budget": verdict.budget if verdict else None,
            "fault": None
            if fault is None
            else {"line": fault.line, "column": fault.column, "message": fault.message},
            "features": self.features._asdict() if self.features else None,
        }


def check_files(paths: Sequence[str], language: str | None) -> Iterator[Checked]:
    """Yield what is found in each file; one that is too much for its parser is told as that.

    Raises BadInput for a file that cannot be read and a language that is not known.
    """
    named = None if language is None else _language(language)
    pool = _pool()
    try:
        for path in paths:
            content = _read(path)
            if len(content) > IngestionSettings().max_file_bytes:
                yield Checked(path, reason=Reason.TOO_LARGE)
                continue
            try:
                found = pool.submit(_check, path, content, named).result()
            except BrokenProcessPool:
                pool.shutdown()
                pool = _pool()
                found = Checked(path, reason=Reason.PARSER_LIMIT)
            yield found
    finally:
        pool.shutdown()


def _language(name: str) -> Language:
    found = find_language(name)
    if found is None:
        raise BadInput(f"there is no language {name!r}; docs/languages.md lists them")
    return found


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}") from error


def _pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=get_context("fork"), initializer=_limit_memory)


def _limit_memory() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (Limits().memory_bytes, hard))


def _check(path: str, content: bytes, named: Language | None) -> Checked:
    signal.setitimer(signal.ITIMER_PROF, Limits().seconds_for(len(content)))
    try:
        return _found(path, content, named)
    except MemoryError:
        return Checked(path, reason=Reason.PARSER_LIMIT)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _found(path: str, content: bytes, named: Language | None) -> Checked:
    decoded = decode(content)
    if isinstance(decoded, Reason):
        return Checked(path, reason=decoded)
    text = decoded.content
    inferred = infer_language(path, text)
    language = named or inferred.language
    if language is None:
        return Checked(path, reason=Reason.UNKNOWN_LANGUAGE)
    verdict, features = examine(language, text)
    fault = None if verdict.is_ok and not verdict.error_share else first_fault(language, text)
    return Checked(
        path,
        reason=None if verdict.is_ok else Reason.SYNTAX_ERRORS,
        language=language.name,
        how="as told" if named else inferred.how.value,
        verdict=verdict,
        features=features,
        fault=fault,
        line=_line(text, fault.line) if fault else "",
    )


def _line(text: str, number: int) -> str:
    """Return a line; parsers take a bare return for the end of one, too."""
    lines = re.split(r"\r\n|\r|\n", text)
    return lines[number - 1] if number <= len(lines) else ""


def show(found: Checked) -> None:
    """Print what was found for people."""
    colour, word = ("red", found.reason.value) if found.reason else ("green", "ok")
    language = f"  {escape(found.language)} [dim](by {found.how})[/dim]" if found.language else ""
    OUT.print(f"[bold]{escape(safe(found.path))}[/bold]  [{colour}]{word}[/{colour}]{language}")
    if found.verdict is None:
        assert found.reason is not None, "what has no verdict has a reason"
        OUT.print(f"  {found.reason.explanation}")
        return
    _show_verdict(found.verdict)
    if found.fault is not None:
        _show_fault(found.fault, found.line)
        if found.verdict.checker in _READ_AROUND:
            OUT.print("    [dim](as the text stands; a macro may excuse it)[/dim]")
    if found.features is not None:
        _show_features(found.features)


def _show_verdict(verdict: Verdict) -> None:
    if verdict.checker == UNCHECKED:
        OUT.print("  nobody checks this language: docs/syntax.md says why")
        return
    dialect = f", well-formed in the dialect {verdict.dialect}" if verdict.dialect else ""
    OUT.print(f"  ruled by {escape(verdict.checker)}{escape(dialect)}")
    if verdict.error_share or verdict.budget:
        OUT.print(
            f"  errors   [red]{bar(verdict.error_share, _BAR_CELLS):<{_BAR_CELLS}}[/red] "
            f"{verdict.error_share:.2%} of the bytes, {verdict.budget:.2%} allowed"
        )


def _show_fault(fault: Fault, line: str) -> None:
    begin = max(0, fault.column - 1 - _LINE_CHARS // 2)
    shown = safe(line[begin : begin + _LINE_CHARS].replace("\t", " "), 4 * _LINE_CHARS)
    before = safe(line[begin : fault.column - 1].replace("\t", " "), 4 * _LINE_CHARS)
    OUT.print(f"  {fault.line}:{fault.column}  {escape(safe(fault.message))}")
    OUT.print(f"    {escape(shown)}")
    OUT.print(f"    {' ' * cell_len(before)}[red]^[/red]")


def _show_features(features: Features) -> None:
    size = max(1, features.num_bytes)
    comments, literals = features.num_comment_bytes / size, features.num_literal_bytes / size
    told = [f"lines {features.num_lines:,}, blank {features.num_blank_lines:,}"]
    if features.num_nodes:
        told += [
            f"functions {features.num_functions:,}",
            f"documented {features.num_documented_functions:,}",
            f"longest {features.longest_function_lines:,} lines",
            f"classes {features.num_classes:,}",
            f"comments {features.num_comments:,} ({comments:.0%} of the bytes)",
            f"branches {features.num_branches:,}",
            f"calls {features.num_calls:,}",
            f"literals {features.num_literals:,} ({literals:.0%} of the bytes)",
            f"imports {features.num_imports:,}",
        ]
    OUT.print(f"  features {', '.join(told)}")
    if features.imports:
        names = ", ".join(features.imports[:8])
        OUT.print(f"           imports {escape(safe(names))}")
