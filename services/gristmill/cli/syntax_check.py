"""Checking files one by one, each in a process that may be ended, and showing what was found."""

import re
import resource
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from typing import Any, Final, TypeVar

from rich.cells import cell_len
from rich.markup import escape

from gristmill.cli.console import OUT, bar, safe
from gristmill.ingestion.decode import decode
from gristmill.ingestion.settings import IngestionSettings
from gristmill.runtime.engine.worker import Limits
from gristmill.runtime.model import BadInput, Reason
from gristmill.runtime.model.document import UNCHECKED
from gristmill.runtime.model.features import WINDOW_BYTES, Features
from gristmill.runtime.model.languages import Language, find_language
from gristmill.syntax.faults import Fault, first_fault
from gristmill.syntax.grammars import TREE_SITTER, checker_of, why_unchecked
from gristmill.syntax.inference import How, infer_language
from gristmill.syntax.opinions import NEWER_CHECKER
from gristmill.syntax.settings import SyntaxSettings
from gristmill.syntax.stage import reason_to_drop
from gristmill.syntax.verdict import Verdict, examine

T = TypeVar("T")
"""What is known of a file before a look at it."""

_LINE_CHARS: Final = 100
_BAR_CELLS: Final = 20
_TOLD: Final = "told"
_KNOWN: Final[Mapping[str, str]] = {
    How.NAME: "by its name",
    How.SHEBANG: "by its first line",
    How.MODELINE: "by its modeline",
    How.MARK: "by words in it",
    How.CONTENT: "by its content",
    How.USUAL: "as usual for its ending",
    _TOLD: "as --language says",
}


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found in one file; `reason` says why the stage would drop it, if it would.

    `checker` is who had a file that reached a limit.
    """

    path: str
    reason: Reason | None = None
    language: str = ""
    how: str = ""
    checker: str = ""
    verdict: Verdict | None = None
    features: Features | None = None
    fault: Fault | None = None
    line: str = ""
    """The line of the fault."""
    size_bytes: int = 0
    """Of the text, as UTF-8; 0 where there is none."""

    def as_json(self) -> dict[str, Any]:
        """Return it for a machine."""
        verdict, fault = self.verdict, self.fault
        measured = verdict is not None and verdict.checker.startswith(TREE_SITTER)
        return {
            "path": self.path,
            "ok": self.reason is None,
            "reason": self.reason.value if self.reason else None,
            "language": self.language or None,
            "how": self.how or None,
            "checker": verdict.checker if verdict else self.checker or None,
            "dialect": (verdict.dialect or None) if verdict else None,
            # Only a grammar measures a share.
            "error_share": verdict.error_share if verdict and measured else None,
            "budget": verdict.budget if verdict and measured else None,
            "fault": None
            if fault is None
            else {"line": fault.line, "column": fault.column, "message": fault.message},
            "size_bytes": self.size_bytes,
            "features": self.features._asdict() if self.features else None,
        }


def check_files(
    paths: Sequence[str], language: str | None, settings: SyntaxSettings
) -> Iterator[Checked]:
    """Yield what is found in each file; one that is too much for its parser is told as that.

    Raises BadInput for a language that is not known.
    """
    named = None if language is None else _language(language)
    judged = partial(_judged, settings)
    pool = _pool()
    try:
        for path in paths:
            content = _read(path)
            if content is None:
                yield Checked(path, reason=Reason.UNREADABLE)
                continue
            if len(content) > IngestionSettings().max_file_bytes:
                yield Checked(path, reason=Reason.TOO_LARGE)
                continue
            found = Checked(path, reason=Reason.PARSER_LIMIT)
            try:
                found = pool.submit(_within_limits, _identified, path, content, named).result()
                if found.reason is Reason.UNKNOWN_LANGUAGE and not settings.drop_unknown:
                    found = replace(found, reason=None)
                if found.language:
                    found = pool.submit(_within_limits, judged, path, content, found).result()
            except BrokenProcessPool:  # what is known by then has to do
                pool.shutdown()
                pool = _pool()
            yield found
    finally:
        pool.shutdown()


def _language(name: str) -> Language:
    found = find_language(name)
    if found is None:
        raise BadInput(f"there is no language {name!r}; docs/syntax.md lists them")
    return found


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError:
        return None


def _pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=get_context("fork"), initializer=_limit_memory)


def _limit_memory() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (_allocated() + Limits().memory_bytes, hard))


def _allocated() -> int:
    """Return the bytes that the process holds by now: a fork inherits them, used or not."""
    with open("/proc/self/status", encoding="ascii") as status:
        held = next(line for line in status if line.startswith("VmData:"))
    return int(held.split()[1]) << 10


def _within_limits(
    look: Callable[[str, bytes, T], Checked], path: str, content: bytes, known: T
) -> Checked:
    signal.setitimer(signal.ITIMER_PROF, Limits().seconds_for(len(content)))
    try:
        return look(path, content, known)
    except MemoryError:
        return known if isinstance(known, Checked) else Checked(path, reason=Reason.PARSER_LIMIT)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _identified(path: str, content: bytes, named: Language | None) -> Checked:
    """Return why a file is not parsed, or else what is to be told if its parser reaches a limit."""
    decoded = decode(content)
    if isinstance(decoded, Reason):
        return Checked(path, reason=decoded)
    text = decoded.content
    if not text or text.isspace():
        return Checked(path, reason=Reason.EMPTY)
    inferred = infer_language(path, text)
    language = named or inferred.language
    if language is None:
        return Checked(path, reason=Reason.UNKNOWN_LANGUAGE)
    return Checked(
        path,
        reason=Reason.PARSER_LIMIT,
        language=language.name,
        how=_TOLD if named else inferred.how.value,
        checker=checker_of(language),
        size_bytes=len(text.encode()),
    )


def _judged(settings: SyntaxSettings, path: str, content: bytes, known: Checked) -> Checked:
    del path
    decoded = decode(content)
    assert not isinstance(decoded, Reason), "its language is known"
    text, language = decoded.content, _language(known.language)
    verdict, features = examine(language, text, least_budget=settings.error_budget)
    fault = None if verdict.is_ok and not verdict.error_share else first_fault(language, text)
    return replace(
        known,
        reason=reason_to_drop(verdict, settings),
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
    known = f"  {escape(found.language)} [dim]({_KNOWN[found.how]})[/dim]" if found.language else ""
    OUT.print(f"[bold]{escape(safe(found.path))}[/bold]  [{colour}]{word}[/{colour}]{known}")
    if found.verdict is None:
        if found.reason is None:
            OUT.print("  in no known language: it is kept unchecked")
            return
        checker = f", in {escape(found.checker)}" if found.checker else ""
        OUT.print(f"  {found.reason.explanation}{checker}")
        if found.reason is Reason.UNKNOWN_LANGUAGE:
            OUT.print("  if it is in one: --language NAME")
        return
    if found.verdict.checker == UNCHECKED:
        OUT.print(f"  not checked: {why_unchecked(_language(found.language))}")
    else:
        _show_verdict(found.verdict)
    if found.fault is not None:
        _show_fault(found.fault, found.line)
    if found.features is not None:
        _show_features(found.features, found.size_bytes)


def _show_verdict(verdict: Verdict) -> None:
    dialect = f", well-formed in the dialect {verdict.dialect}" if verdict.dialect else ""
    newer = ", in syntax newer than that" if verdict.checker == NEWER_CHECKER else ""
    OUT.print(f"  checked by {escape(verdict.checker)}{escape(dialect)}{newer}")
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


def _show_features(features: Features, size_bytes: int) -> None:
    size = max(1, features.num_bytes)
    comments, literals = features.num_comment_bytes / size, features.num_literal_bytes / size
    seen = f"of the first {features.num_bytes / 1024:.0f} KiB: "
    first = seen if size_bytes > max(WINDOW_BYTES, features.num_bytes) else ""
    told = [f"{first}lines {features.num_lines:,}, blank {features.num_blank_lines:,}"]
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
