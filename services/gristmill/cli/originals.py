"""Reading again what a run had read: a dropped document's text is in no table, only in its source.

The listing of the run says where it stood. What comes back is the text of the very bytes that were
judged, or nothing.
"""

from collections.abc import Collection, Iterator, Mapping
from itertools import groupby
from types import MappingProxyType

from gristmill.ingestion.decode import decode
from gristmill.runtime.adapters.files import reader
from gristmill.runtime.adapters.listing import LocalSource
from gristmill.runtime.adapters.run_directory import RunDirectory
from gristmill.runtime.model import BadInput, Position, RawFile, Reason
from gristmill.runtime.ports.source import MEMBER_BITS

_NONE_KNOWN: Mapping[int, str] = MappingProxyType({})


class Originals:
    """The documents that the runs into a directory had read, as long as their sources stand."""

    def __init__(self, directory: str) -> None:
        """Read nothing yet. Raises BadInput where no run has written."""
        self._directory = RunDirectory(directory)
        self._opened: tuple[str, LocalSource | None] = ("", None)  # listings are large: one alone

    def text(self, position: Position, content_sha256: str | None = None) -> bytes | None:
        """Return one document's text in UTF-8, as ingestion decoded it.

        None where the source is gone, has another size or time than was listed, holds other bytes
        than those of the hash, or where its listing is gone.
        """
        hashes = {position.offset: content_sha256} if content_sha256 else {}
        texts = self.stream(position.source, [position.offset], hashes)
        return next((text for _, text in texts), None)

    def stream(
        self, source_id: str, offsets: Collection[int], hashes: Mapping[int, str] = _NONE_KNOWN
    ) -> Iterator[tuple[int, bytes]]:
        """Yield offset and text of many documents of one source, in the order of its listing.

        `hashes` holds `content_sha256` by offset: a change that keeps size and time is seen by it
        alone. Those that `text` has None for are left out. Each archive is opened once and read as
        far as its last one.
        """
        source = self._source(source_id)
        if source is None:
            return
        wanted = frozenset(offsets)
        read = reader(source.limits.max_member_bytes)
        for item, group in groupby(sorted(wanted), lambda offset: offset >> MEMBER_BITS):
            *_, last = group
            if not source.is_unchanged(last):
                continue
            for entry in source.entries(item << MEMBER_BITS):
                offset = entry.position.offset
                if offset in wanted:
                    text = _text(read(entry), hashes.get(offset))
                    if text is not None:
                        yield offset, text
                if offset >= last:
                    break

    def _source(self, source_id: str) -> LocalSource | None:
        if self._opened[0] != source_id:
            try:
                source = LocalSource.reopen(self._directory.load_listing(source_id))
            except BadInput:  # gone, damaged, or of an older form
                self._opened = (source_id, None)
            else:
                is_it = source.listing.source == source_id
                self._opened = (source_id, source if is_it else None)
        return self._opened[1]


def _text(raw: RawFile, content_sha256: str | None) -> bytes | None:
    if raw.content is None or content_sha256 not in {None, raw.content_sha256}:
        return None
    text = decode(raw.content)
    return None if isinstance(text, Reason) else text.content.encode()
