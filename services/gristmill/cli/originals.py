"""Reading again what a run had read: a dropped document's text is in no table, only in its source.

The listing of the run says where it stood, behind a log the position does. What comes back is the
text of the very bytes that were judged, or nothing.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from itertools import groupby
from types import MappingProxyType

from gristmill.cli.sections import SOURCES_SECTION, settings_sections
from gristmill.ingestion.decode import decode
from gristmill.runtime.adapters.files import reader
from gristmill.runtime.adapters.listing import ListedSource
from gristmill.runtime.adapters.plugins import load_plugins
from gristmill.runtime.adapters.run_directory import LOG, RunDirectory
from gristmill.runtime.adapters.settings import load_settings
from gristmill.runtime.adapters.source_settings import SourceSettings
from gristmill.runtime.adapters.sources import reopen_source
from gristmill.runtime.model import BadInput, Fatal, GristmillError, Position, Reason, Transient
from gristmill.runtime.model.document import sha256_hex
from gristmill.runtime.ports.source import MEMBER_BITS

_NONE_KNOWN: Mapping[int, str] = MappingProxyType({})


class Originals:
    """The documents that the runs into a directory had read, as long as their sources stand."""

    def __init__(self, directory: str) -> None:
        """Read nothing yet. Raises BadInput where no run has written."""
        self._directory = RunDirectory(directory)
        self._log_is_away = False
        self._opened: tuple[str, ListedSource | None] = ("", None)  # listings are large: one alone

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
        if self._directory.fed_by == LOG:
            yield from self._crawled(source_id, offsets, hashes)
            return
        source = self._source(source_id)
        if source is not None:
            with suppress(Transient, Fatal):  # a server that is silent or refuses: it is gone
                yield from self._listed(source, offsets, hashes)

    def _listed(
        self, source: ListedSource, offsets: Collection[int], hashes: Mapping[int, str]
    ) -> Iterator[tuple[int, bytes]]:
        wanted = frozenset(offsets)
        read = reader(source.limits.max_member_bytes)
        for item, group in groupby(sorted(wanted), lambda offset: offset >> MEMBER_BITS):
            *_, last = group
            if not source.is_unchanged(last):
                continue
            for entry in source.entries(item << MEMBER_BITS):
                offset = entry.position.offset
                if offset in wanted:
                    raw = read(entry)
                    text = _text(raw.content, raw.content_sha256, hashes.get(offset))
                    if text is not None:
                        yield offset, text
                if offset >= last:
                    break

    def _crawled(
        self, source_id: str, offsets: Collection[int], hashes: Mapping[int, str]
    ) -> Iterator[tuple[int, bytes]]:
        from gristmill.cli.crawled import crawled_contents  # a run needs no Kafka

        if self._log_is_away:  # asked once: each time takes long
            return
        try:
            for offset, content in crawled_contents(self._directory.path, source_id, offsets):
                text = _text(content, sha256_hex(content), hashes.get(offset))
                if text is not None:
                    yield offset, text
        except (GristmillError, ValueError):
            self._log_is_away = True

    def _source(self, source_id: str) -> ListedSource | None:
        if self._opened[0] != source_id:
            try:
                source = reopen_source(self._directory.load_listing(source_id), _settings)
            except BadInput:  # gone, damaged, or of an older form
                self._opened = (source_id, None)
            else:
                is_it = source.listing.source == source_id
                self._opened = (source_id, source if is_it else None)
        return self._opened[1]


def _settings() -> SourceSettings:
    """Return how servers are reached, by the environment: a run's own file is not known here."""
    sections = load_settings(settings_sections(load_plugins())).sections
    settings: SourceSettings = sections[SOURCES_SECTION]
    return settings


def _text(content: bytes | None, content_sha256: str, expected: str | None) -> bytes | None:
    if content is None or expected not in {None, content_sha256}:
        return None
    text = decode(content)
    return None if isinstance(text, Reason) else text.content.encode()
