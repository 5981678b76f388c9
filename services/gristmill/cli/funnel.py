"""The funnel: what each stage let through and why the rest fell, as bars."""

from collections.abc import Iterator

from rich.markup import escape

from gristmill.cli.console import OUT, bar, human_bytes
from gristmill.cli.reading import StageCount, Summary
from gristmill.cli.tokens import Tokens, human_tokens
from gristmill.runtime.model import Reason
from gristmill.runtime.model.cut import BELOW_CUT, BELOW_CUT_EXPLANATION

_WIDTH = 36
_MOST_LANGUAGES = 12


def print_funnel(
    summary: Summary, seconds: float | None = None, tokens: Tokens | None = None
) -> None:
    """Print the whole picture of a summary, with tokens where they were estimated."""
    took = f" in {seconds:,.1f} s" if seconds is not None else ""
    size = human_bytes(summary.size_bytes)
    OUT.print(f"\n[bold]{summary.documents:,} documents[/bold], {size}{took}\n")
    if not summary.documents:
        return
    if tokens:
        OUT.print(f"  [dim]{'':<12} {'':<{_WIDTH}} {'kept':>9} {'~ tokens':>9}[/dim]")
    for name, stage in summary.stages.items():
        for line in _stage_lines(name, stage, summary.documents, tokens):
            OUT.print(line)
    if summary.below_cut is not None:
        below = {BELOW_CUT: summary.below_cut} if summary.below_cut else {}
        for line in _stage_lines(
            "cut", StageCount(summary.accepted, below), summary.documents, tokens
        ):
            OUT.print(line)
    if summary.quarantined:
        named = ", ".join(f"{name} {count:,}" for name, count in summary.quarantined.items())
        OUT.print(f"\n[yellow]parses that were ended, by grammar: {escape(named)}[/yellow]")
    OUT.print(f"\n[bold]kept {summary.kept:,}[/bold] ({summary.kept / summary.documents:.1%})")
    if summary.below_cut is not None:
        share = summary.accepted / summary.documents
        OUT.print(f"[bold]accepted {summary.accepted:,}[/bold] ({share:.1%}) by the newest cut")
    OUT.print()
    if tokens:
        for line in _token_lines(tokens):
            OUT.print(line)
    for line in _language_lines(summary, tokens):
        OUT.print(line)


def _token_lines(tokens: Tokens) -> Iterator[str]:
    yield f"[bold]{tokens.kept} tokens[/bold] [dim]{escape(tokens.basis)}[/dim]"
    if tokens.accepted != tokens.kept:
        yield f"[bold]{tokens.accepted} tokens[/bold] [dim]of them accepted[/dim]"
    yield ""


def _stage_lines(name: str, stage: StageCount, total: int, tokens: Tokens | None) -> Iterator[str]:
    share = stage.kept / total
    drawn = f"{bar(share, _WIDTH):<{_WIDTH}}"
    counts = {**tokens.stages, "cut": tokens.accepted.tokens} if tokens else {}
    passed = human_tokens(counts[name]) if name in counts else ""
    yield f"  [bold]{name:<12}[/bold] [green]{drawn}[/green] {stage.kept:>9,} {passed:>9}".rstrip()
    fallen = sorted({**stage.dropped, **stage.dead}.items(), key=lambda item: -item[1])
    for reason, count in fallen:
        colour = "red" if reason in stage.dead else "yellow"
        drawn = bar(count / total, _WIDTH)
        yield (
            f"    {escape(reason):<16} [{colour}]{drawn:<{_WIDTH - 6}}[/{colour}] {count:>9,}"
            f"  [dim]{_EXPLAINED.get(reason, '')}[/dim]"
        )


_EXPLAINED = {reason.value: reason.explanation for reason in Reason} | {
    BELOW_CUT: BELOW_CUT_EXPLANATION
}


def _language_lines(summary: Summary, tokens: Tokens | None) -> Iterator[str]:
    most = max((documents for documents, _ in summary.languages.values()), default=1)
    for name, (documents, kept) in list(summary.languages.items())[:_MOST_LANGUAGES]:
        held = bar(kept / most, _WIDTH)
        fell = "·" * round((documents - kept) / most * _WIDTH)
        found = tokens.by_language.get(name) if tokens else None
        about = f", ~ {human_tokens(found.tokens)} tokens" if found else ""
        yield (
            f"  {escape(name):<18} [green]{held}[/green][dim]{fell}[/dim] "
            f"{kept:,} of {documents:,}{about}"
        )
    if (rest := len(summary.languages) - _MOST_LANGUAGES) > 0:
        yield f"  [dim]and {rest} languages more[/dim]"
