"""`gristmill plan tokens`: the tokens in a source, from a hundredth of it, before any run."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from rich.markup import escape

from gristmill.cli.console import OUT, bar, human_bytes, safe
from gristmill.cli.reading import language_by_path
from gristmill.cli.tokens import (
    Counted,
    Estimate,
    TokenRatios,
    Tokens,
    highest,
    human_tokens,
    priority,
    sample_size,
    tokens_of,
)
from gristmill.ingestion.rules import judge_path
from gristmill.ingestion.settings import IngestionSettings
from gristmill.ingestion.stage import IngestionStage
from gristmill.runtime.adapters.files import reader
from gristmill.runtime.adapters.listing import ListedSource
from gristmill.runtime.adapters.tokenizer import load_tokenizer
from gristmill.runtime.model import BadInput, FileText, Keep, Kind
from gristmill.runtime.model.document import document_id
from gristmill.runtime.ports import Entry
from gristmill.runtime.ports.source import MEMBER_BITS, ReadEntry

_WIDTH = 36
_MOST_LANGUAGES = 12


# Any: what JSON holds.
Json = dict[str, Any]
Place = tuple[int, int]
"""The number of a source, and the offset in it."""


@dataclass(slots=True)
class _Looked:
    """What going through the sources found; `sizes` are bytes by language that may be text."""

    documents: int = 0
    size_bytes: int = 0
    no_text: int = 0
    may_be_text: int = 0
    sizes: Counter[str] = field(default_factory=Counter)


def plan_tokens(
    sources: Sequence[ListedSource], settings: IngestionSettings, like: Tokens | None
) -> Json:
    """Return what is in the sources, and what a run like another would keep of it.

    Raises BadInput where there is no text.
    """
    tokenizer, read = load_tokenizer(), reader(settings.max_file_bytes)
    looked = _Looked()
    ranked = highest(_ranked(sources, settings, looked))
    size = sample_size(looked.may_be_text)
    sample = [
        _counted(entry, settings, read, tokenizer.count)
        for entry in _again(sources, [place for _, place in ranked[:size]])
    ]
    if not sample:
        raise BadInput("there is no text in these sources to go by")
    bound = ranked[size][0] if size < len(ranked) else 0.0
    ratios = TokenRatios(sample, bound, looked.sizes)
    ingested = ratios.estimate(looked.sizes)
    found = {name: ratios.estimate({name: size}) for name, size in looked.sizes.items()}
    return {
        "tokenizer": tokenizer.name,
        "documents": looked.documents,
        "bytes": looked.size_bytes,
        "no_text": looked.no_text,
        "sampled": len(sample),
        "ingested": ingested.as_json(),
        "like": _shares(ingested, like) if like else None,
        "by_language": {
            name: one.as_json()
            for name, one in sorted(found.items(), key=lambda item: (-item[1].tokens, item[0]))
        },
    }


def _ranked(
    sources: Sequence[ListedSource], settings: IngestionSettings, looked: _Looked
) -> Iterator[tuple[float, Place]]:
    """Yield priority and place of what may be text, by name and size; take down all there is.

    The priority goes by repository, path and revision: no text was read yet.
    """
    for number, source in enumerate(sources):
        for entry in source.entries(0):
            looked.documents += 1
            looked.size_bytes += entry.size_bytes
            is_no_text = entry.fault is not None or entry.size_bytes > settings.max_file_bytes
            if is_no_text or judge_path(entry.origin.path, settings) is not None:
                looked.no_text += 1
            elif entry.size_bytes:
                looked.may_be_text += 1
                looked.sizes[language_by_path(entry.origin.path)] += entry.size_bytes
                name = document_id(Kind.FILE, entry.origin, "")
                yield priority(name, entry.size_bytes), (number, entry.position.offset)


def _again(sources: Sequence[ListedSource], places: Iterable[Place]) -> Iterator[Entry]:
    """Yield the entries of places, each archive and table gone through once as far as its last."""
    for (number, _), group in groupby(sorted(places), lambda one: (one[0], one[1] >> MEMBER_BITS)):
        offsets = [offset for _, offset in group]
        for entry in sources[number].entries(offsets[0] >> MEMBER_BITS << MEMBER_BITS):
            if entry.position.offset in offsets:
                yield entry
            if entry.position.offset >= offsets[-1]:
                break


def _counted(
    entry: Entry, settings: IngestionSettings, read: ReadEntry, count: Callable[[str], int]
) -> Counted:
    """Count the tokens of what ingestion makes of an entry: none where it drops it."""
    (outcome,) = IngestionStage(settings).process([read(entry)])
    body = outcome.document.body if isinstance(outcome, Keep) else None
    tokens = tokens_of(body.content, count) if isinstance(body, FileText) else (0.0, 0.0)
    return Counted(language_by_path(entry.origin.path), entry.size_bytes, *tokens)


def _shares(ingested: Estimate, like: Tokens) -> Json:
    """Return what is kept and accepted of it, by the shares of a finished run."""
    begun = max(1, next(iter(like.stages.values())))
    shares = {"kept": like.kept.tokens / begun, "accepted": like.accepted.tokens / begun}
    return {
        name: {"share": share, "estimate": round(ingested.tokens * share)}
        for name, share in shares.items()
    }


def show_plan(plan: Json) -> None:
    """Print it for people."""
    OUT.print(
        f"\n[bold]{plan['documents']:,} documents[/bold], {human_bytes(plan['bytes'])}; "
        f"{plan['no_text']:,} are no text by name or size"
    )
    OUT.print(
        f"[bold]{_estimate(plan['ingested'])} tokens[/bold] that ingestion would keep "
        f"[dim]by {escape(plan['tokenizer'])}, from {plan['sampled']:,} documents[/dim]"
    )
    for name, one in (plan["like"] or {}).items():
        OUT.print(f"  {name:<9} ~ {human_tokens(one['estimate'])} ({one['share']:.1%} of them)")
    if plan["like"] is None:
        OUT.print("  [dim]syntax, duplicates and the cut take from them: --like DIR[/dim]")
    OUT.print()
    found = {name: _estimate(one) for name, one in plan["by_language"].items()}
    most = max(1, *(one.tokens for one in found.values()))
    for name, one in list(found.items())[:_MOST_LANGUAGES]:
        drawn = f"{bar(one.tokens / most, _WIDTH):<{_WIDTH}}"
        OUT.print(f"  {escape(safe(name)):<18} [green]{drawn}[/green] {one}")
    if (rest := len(found) - _MOST_LANGUAGES) > 0:
        OUT.print(f"  [dim]and {rest} languages more[/dim]")


def _estimate(told: Json) -> Estimate:
    return Estimate(told["estimate"], told["margin"])
