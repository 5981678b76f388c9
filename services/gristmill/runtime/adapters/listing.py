"""Sources as listings: everything that there is to read, found before anything is read.

The listing is sorted by the bytes of the paths and hashed together with its root, the selection
and the gates' rules: that hash is the source's identity. Written down, it says all that it takes
to read the source again. Each thing listed, readable or not, is one record (an archive or a table
that is opened: one for each member or row). Where the things lie is the subclasses' business: here
local files, in `git_source` a commit, in `remote_source` what servers hold.
"""

import hashlib
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import accumulate
from typing import Any

from gristmill.runtime.adapters.archives import ArchiveLimits, Open, open_local, read_members
from gristmill.runtime.adapters.files import text_path
from gristmill.runtime.adapters.items import (
    FAULTS,
    Item,
    item_of_line,
    to_bytes,
    to_text,
)
from gristmill.runtime.adapters.local_files import find, item_at
from gristmill.runtime.adapters.metadata import Metadata
from gristmill.runtime.adapters.selection import Opening, Patterns, Selection
from gristmill.runtime.adapters.table_columns import Columns
from gristmill.runtime.adapters.table_rows import Row, check_columns, read_rows
from gristmill.runtime.model import BadInput, Origin, Position, Reason
from gristmill.runtime.ports import Entry, Listing
from gristmill.runtime.ports.source import MEMBER_BITS

__all__ = ["ListedSource", "LocalSource", "Lookup", "Selection", "Terms", "parse_listing"]

_MEMBER_MASK = (1 << MEMBER_BITS) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On which terms sources are read, all of them part of their identity.

    `columns` are those of tables, None where tables are files like others; `metadata` is what is
    known of repositories.
    """

    selection: Selection
    limits: ArchiveLimits
    rules: Sequence[str]
    columns: Columns | None = None
    metadata: Metadata | None = None

    @property
    def opening(self) -> Opening:
        """What is opened of what is found."""
        return Opening(archives=self.selection.open_archives, tables=self.columns is not None)

    @property
    def opening_named(self) -> Opening:
        """What is opened of what a user named itself."""
        return Opening(archives=True, tables=self.columns is not None)

    def as_line(self) -> dict[str, Any]:
        """Return what the first line of a listing says of the terms."""
        terms: dict[str, Any] = {
            "include": self.selection.include,
            "exclude": self.selection.exclude,
            "open_archives": self.selection.open_archives,
            "limits": asdict(self.limits),
            "rules": list(self.rules),
        }
        if self.columns is not None:
            terms["columns"] = self.columns.named()
        if self.metadata is not None:
            terms["metadata"] = self.metadata.sha256
        return terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """What the place of an item gave: where its file lies, its content, or why there is none."""

    location: bytes | None = None
    content: bytes | None = None
    fault: Reason | None = None
    detail: str = ""


class ListedSource(ABC):
    """A fixed, sorted listing of what one SOURCE argument names."""

    def __init__(
        self,
        name: str,
        place: Mapping[str, Any],
        items: Sequence[Item],
        terms: Terms,
        *,
        repository: str,
        num_absent: int = 0,
        warnings: Sequence[str] = (),
    ) -> None:
        """Take what was found.

        `place` is all that it takes to find the place again, as the first line of the listing
        holds it; `repository` is that of what no archive or table says otherwise.
        """
        self.limits = terms.limits
        self._terms, self._place, self._items = terms, place, items
        self._wanted = Patterns(terms.selection)
        self._repository = repository
        self._inside = (-1, 0)  # which item is being read, and how many of its bytes were
        self._before = [0, *accumulate(item.size_bytes for item in items)]
        self._argument = name
        identity = hashlib.sha256()
        for line in self.lines():
            identity.update(line.encode() + b"\n")
        self.listing = Listing(
            source=identity.hexdigest()[:32],
            name=name,
            total_bytes=self._before[-1],
            num_entries=len(items),
            num_absent=num_absent,
            warnings=(*([] if items else [f"nothing to read under {name}"]), *warnings),
        )

    def lines(self) -> Iterator[str]:
        """Yield the listing as JSON lines: first what holds for all of it, then one item a line.

        In its paths a byte that is not UTF-8 is half of a surrogate pair: they can be turned back.
        """
        yield json.dumps({**self._place, **self._terms.as_line()})
        for item in self._items:
            yield json.dumps(item.as_line())

    def is_unchanged(self, offset: int) -> bool:
        """Tell whether what stands at the offset is still what was listed, as far as one can see.

        May raise Transient where that is a question to a server.
        """
        number = offset >> MEMBER_BITS
        return number < len(self._items) and self._stands(self._items[number])

    def end(self) -> int:
        """Return the offset behind the last item."""
        return len(self._items) << MEMBER_BITS

    def done_bytes(self, offset: int) -> int:
        """Return the listed bytes before the offset, inside an archive as far as it was read."""
        number = min(offset >> MEMBER_BITS, len(self._items))
        inside, num_bytes = self._inside
        if offset & _MEMBER_MASK and inside == number:
            return self._before[number] + min(num_bytes, self._items[number].size_bytes)
        return self._before[number]

    def entries(self, start: int) -> Iterator[Entry]:
        """Yield the entries from offset `start` on."""
        first, member = start >> MEMBER_BITS, start & _MEMBER_MASK
        for number in range(first, len(self._items)):
            item = self._items[number]
            if item.type == "archive":
                yield from self._members(item, number, member)
            elif item.type == "table":
                yield from self._rows(item, number, member)
            elif member == 0:
                yield self._entry(item, number)
            member = 0

    def check_table(self) -> bool:
        """Tell whether there is a table. Raises BadInput if the first one lacks a column.

        A column that it may do without is a warning.
        """
        first = next((item for item in self._items if item.type == "table"), None)
        if first is None or self._terms.columns is None:
            return False
        if lacking := check_columns(first.path, self._terms.columns, self._open(first)):
            self.listing = replace(self.listing, warnings=(*self.listing.warnings, lacking))
        return True

    @abstractmethod
    def _stands(self, item: Item) -> bool:
        """Tell whether the item is still what was listed."""

    @abstractmethod
    def _look_up(self, item: Item, number: int) -> Lookup:
        """Return what stands where a file was listed."""

    @abstractmethod
    def _open(self, item: Item) -> Open:
        """Return what opens an archive or a table."""

    def _root_origin(self, item: Item) -> Origin:
        return self._origin(self._repository, text_path(item.path))

    def _entry(self, item: Item, number: int) -> Entry:
        fault = FAULTS.get(item.type)
        found = Lookup(fault=fault, detail=item.detail) if fault else self._look_up(item, number)
        return Entry(
            origin=self._root_origin(item),
            position=self._position(number, 0),
            size_bytes=item.size_bytes,
            location=found.location,
            content=found.content,
            fault=found.fault,
            detail=found.detail,
        )

    def _members(self, item: Item, number: int, start: int) -> Iterator[Entry]:
        archive = text_path(os.path.basename(item.path))
        count = 0
        opened = self._open(item)
        for member in read_members(item.path, self.limits, self._note(number), opened):
            if member.name is None:
                origin = self._root_origin(item)
            elif self._wanted(name := text_path(member.name)):
                origin = self._origin(archive, name)
            else:
                continue
            if count >= start:
                yield Entry(
                    origin=origin,
                    position=self._position(number, count),
                    size_bytes=member.size_bytes,
                    content=member.content,
                    fault=member.fault,
                    detail=member.detail,
                )
            count += 1

    def _rows(self, item: Item, number: int, start: int) -> Iterator[Entry]:
        """Yield the rows of a table; a row's number is its place in the table, wanted or not."""
        columns, opened = self._terms.columns, self._open(item)
        assert columns is not None, "tables are opened where columns are named"
        for row in read_rows(item.path, columns, self.limits, self._note(number), opened):
            if row.number < start or (row.path is not None and not self._wanted(row.path)):
                continue
            yield Entry(
                origin=self._row_origin(item, row),
                position=self._position(number, row.number),
                size_bytes=row.size_bytes,
                content=row.content,
                fault=row.fault,
                detail=row.detail,
            )

    def _row_origin(self, item: Item, row: Row) -> Origin:
        if row.path is None:  # it stands for the table
            return self._root_origin(item)
        table = text_path(os.path.basename(item.path))
        return self._completed(
            Origin(
                source=self._argument,
                repository=row.repository or table,
                path=row.path,
                url=row.url,
                revision=row.revision,
                licence=row.licence,
            )
        )

    def _note(self, number: int) -> Callable[[int], None]:
        def note(num_bytes: int) -> None:
            self._inside = (number, num_bytes)

        return note

    def _origin(self, repository: str, path: str) -> Origin:
        return self._completed(Origin(source=self._argument, repository=repository, path=path))

    def _completed(self, origin: Origin) -> Origin:
        metadata = self._terms.metadata
        return origin if metadata is None else metadata.completed(origin)

    def _position(self, number: int, member: int) -> Position:
        return Position(source=self.listing.source, offset=number << MEMBER_BITS | member)


class LocalSource(ListedSource):
    """A fixed, sorted listing of what lies under one local path."""

    def __init__(
        self,
        argument: str,
        *,
        selection: Selection,
        limits: ArchiveLimits,
        rules: Sequence[str],
        columns: Columns | None = None,
        metadata: Metadata | None = None,
        listed: tuple[bytes, list[Item]] | None = None,
    ) -> None:
        """List `argument`, or take root and items as `listed`. Raises BadInput for what is gone."""
        terms = Terms(
            selection=selection, limits=limits, rules=rules, columns=columns, metadata=metadata
        )
        self._root, items = listed or _listed(os.fsencode(argument), terms)
        super().__init__(
            text_path(argument),
            {"root": to_text(os.path.abspath(self._root))},
            items,
            terms,
            repository=text_path(os.path.basename(os.path.abspath(self._root)) or b"root"),
        )

    @classmethod
    def reopen(cls, lines: Iterable[str]) -> "LocalSource":
        """Return the source that `lines()` told of, as it was listed then: nothing is looked at.

        Only its name is lost: the root stands for it. Raises BadInput for other lines.
        """
        place, terms, items = parse_listing(lines)
        try:
            root = to_bytes(place["root"])
        except (LookupError, AttributeError) as error:
            raise BadInput(f"not the listing of a source: {error}") from error
        return cls.of(text_path(root), terms, (root, items))

    @classmethod
    def of(
        cls, argument: str, terms: Terms, listed: tuple[bytes, list[Item]] | None = None
    ) -> "LocalSource":
        """Return the source on terms that are put together; see the constructor."""
        return cls(
            argument,
            selection=terms.selection,
            limits=terms.limits,
            rules=terms.rules,
            columns=terms.columns,
            metadata=terms.metadata,
            listed=listed,
        )

    def _stands(self, item: Item) -> bool:
        location = os.path.join(self._root, item.path)
        return item_at(location, item.path, lambda _: item.type) == item

    def _look_up(self, item: Item, number: int) -> Lookup:
        del number
        return Lookup(location=os.path.join(self._root, item.path))

    def _open(self, item: Item) -> Open:
        return open_local(os.path.join(self._root, item.path))


def parse_listing(lines: Iterable[str]) -> tuple[dict[str, Any], Terms, list[Item]]:
    """Return what `lines()` told of: the place, the terms, the items. Raises BadInput if none."""
    try:
        about, *items = map(json.loads, lines)
        selection = Selection(
            include=tuple(about.pop("include")),
            exclude=tuple(about.pop("exclude")),
            open_archives=about.pop("open_archives"),
        )
        columns, metadata = about.pop("columns", None), about.pop("metadata", None)
        terms = Terms(
            selection=selection,
            limits=ArchiveLimits(**about.pop("limits")),
            rules=about.pop("rules"),
            columns=None if columns is None else Columns(**columns),
            metadata=None if metadata is None else Metadata(metadata, {}),
        )
        return about, terms, list(map(item_of_line, items))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise BadInput(f"not the listing of a source: {error}") from error


def _listed(argument: bytes, terms: Terms) -> tuple[bytes, list[Item]]:
    """Return the root and the items that are wanted under it, sorted."""
    wanted = Patterns(terms.selection)
    root, found = find(
        argument, terms.selection.skip, terms.opening, open_named=terms.opening_named
    )
    return root, sorted(filter(wanted.wants, found), key=lambda item: item.path)
