"""Cutting sources into chunks: consecutive records that one worker takes at a time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

from gristmill.runtime.engine.passage import Passage
from gristmill.runtime.ports import Entry, Source

_MAX_RECORDS = 64
_MAX_BYTES = 1 << 20
_RECORD_BYTES = 1 << 10  # what a record weighs beside its content


@dataclass(slots=True)
class Chunk:
    """Consecutive records of one source on their way.

    `end` is the offset behind them, where the next chunk begins. `weight_bytes` bounds memory;
    `listed_bytes` are the listed bytes, over all sources, that lie before `end`.
    """

    source: str
    begin: int
    end: int
    entries: Sequence[Entry]
    weight_bytes: int
    listed_bytes: int
    passages: Sequence[Passage] = field(default=())


def cut(sources: Sequence[Source], starts: Mapping[str, int], limit: int | None) -> Iterator[Chunk]:
    """Cut the sources, each from its start on, into chunks; at most `limit` records in all."""
    listed = 0
    for source in sources:
        start = starts.get(source.listing.source, 0)
        if start < source.end():
            for chunk in _cut_one(source, start, limit):
                chunk.listed_bytes += listed
                taken = len(chunk.entries)  # whoever has the chunk may empty it
                yield chunk
                limit = None if limit is None else limit - taken
        listed += source.listing.total_bytes
        if limit == 0:
            return


def _cut_one(source: Source, start: int, limit: int | None) -> Iterator[Chunk]:
    rest = source.entries(start)
    ahead: tuple[Entry, ...] = ()
    begin = start
    while limit is None or limit > 0:
        entries, weight = _take(chain(ahead, rest), limit)
        following = next(rest, None)
        end = source.end() if following is None else following.position.offset
        if entries or end > begin:  # an archive without members has an end and no records
            name = source.listing.source
            yield Chunk(name, begin, end, entries, weight, source.done_bytes(end))
        if following is None:
            return
        ahead = (following,)
        begin = end
        limit = None if limit is None else limit - len(entries)


def _take(rest: Iterator[Entry], limit: int | None) -> tuple[list[Entry], int]:
    entries: list[Entry] = []
    weight = 0
    most = _MAX_RECORDS if limit is None else min(limit, _MAX_RECORDS)
    for entry in islice(rest, most):
        entries.append(entry)
        held = (
            len(entry.content) if entry.content is not None else min(entry.size_bytes, _MAX_BYTES)
        )
        weight += held + _RECORD_BYTES
        if weight >= _MAX_BYTES:
            break
    return entries, weight
