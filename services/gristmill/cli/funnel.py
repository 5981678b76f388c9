"""The funnel: what each stage let through and why the rest fell, as bars."""

from collections.abc import Iterator

from rich.markup import escape

from gristmill.cli.console import OUT, bar, human_bytes
from gristmill.cli.reading import StageCount, Summary
from gristmill.runtime.model import Reason

_WIDTH = 36
_MOST_LANGUAGES = 12


def print_funnel(summary: Summary, seconds: float | None = None) -> None:
    """Print the whole picture of a summary."""
    took = f" in {seconds:,.1f} s" if seconds is not None else ""
    size = human_bytes(summary.size_bytes)
    OUT.print(f"\n[bold]{summary.documents:,} documents[/bold], {size}{took}\n")
    if not summary.documents:
        return
    for name, stage in summary.stages.items():
        for line in _stage_lines(name, stage, summary.documents):
            OUT.print(line)
    if summary.quarantined:
        named = ", ".join(f"{name} {count:,}" for name, count in summary.quarantined.items())
        OUT.print(f"\n[yellow]parses that were ended, by grammar: {escape(named)}[/yellow]")
    OUT.print(f"\n[bold]kept {summary.kept:,}[/bold] ({summary.kept / summary.documents:.1%})\n")
    for line in _language_lines(summary):
        OUT.print(line)


def _stage_lines(name: str, stage: StageCount, total: int) -> Iterator[str]:
    share = stage.kept / total
    drawn = f"{bar(share, _WIDTH):<{_WIDTH}}"
    yield f"  [bold]{name:<12}[/bold] [green]{drawn}[/green] {stage.kept:>9,}"
    fallen = sorted({**stage.dropped, **stage.dead}.items(), key=lambda item: -item[1])
    for reason, count in fallen:
        colour = "red" if reason in stage.dead else "yellow"
        drawn = bar(count / total, _WIDTH)
        yield (
            f"    {escape(reason):<16} [{colour}]{drawn:<{_WIDTH - 6}}[/{colour}] {count:>9,}"
            f"  [dim]{_EXPLAINED.get(reason, '')}[/dim]"
        )


_EXPLAINED = {reason.value: reason.explanation for reason in Reason}


def _language_lines(summary: Summary) -> Iterator[str]:
    most = max((documents for documents, _ in summary.languages.values()), default=1)
    for name, (documents, kept) in list(summary.languages.items())[:_MOST_LANGUAGES]:
        held = bar(kept / most, _WIDTH)
        fell = "·" * round((documents - kept) / most * _WIDTH)
        yield (
            f"  {escape(name):<18} [green]{held}[/green][dim]{fell}[/dim] {kept:,} of {documents:,}"
        )
    if (rest := len(summary.languages) - _MOST_LANGUAGES) > 0:
        yield f"  [dim]and {rest} languages more[/dim]"
