"""Small source files by a seed, and what must become of each: what the fault suite feeds.

Of every twenty documents fourteen are like no other, three have a copy among the twenty (an exact
one of now, an exact one in the next twenty, a near one), one is binary and one is broken Python.
Of every five large ones, too large for a message, the fourth has an exact copy in the fifth.
The same name gives the same documents for ever, and two names give documents that are not alike.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from gristmill.runtime.adapters.blobs import blob_reference
from gristmill.runtime.engine.envelope import CRAWL_TOPIC, INLINE_BYTES
from gristmill.runtime.model import BlobReference, CrawlItem, Kind, Origin
from gristmill.runtime.model.document import document_id, sha256_hex
from gristmill.runtime.ports import BlobStore, Message
from gristmill.runtime.wire import encode_crawl_item

_SEED = 20261126
_DAY = date(2026, 11, 26)
_LARGE_FROM = 20_000_000  # numbers that no other document has
_LARGE_ROUND, _LARGE_COPY = 5, 4
_LARGE_BYTES = (INLINE_BYTES + 1024, 2 * INLINE_BYTES)
_ROUND = 20
_EXACT, _NEAR, _BINARY, _BROKEN, _EXACT_OF_LAST = 15, 16, 17, 18, 19
_COPIED, _ALMOST_COPIED, _COPIED_NEXT = 3, 5, 4
_SYLLABLES = ("ba", "ce", "di", "fo", "gu", "ha", "ke", "li", "mo", "nu", "pa", "re", "si", "to")
_WORDS = [a + b + c + d for a in _SYLLABLES for b in _SYLLABLES for c in _SYLLABLES for d in "nrst"]
_LINES = (
    "    {} = {}({}, {})\n",
    "    if {} < {}.{}:\n        {} += 1\n",
    "    for {} in {}({}):\n        yield {}\n",
    "    {} = [{}.{} for _ in {}]\n",
    "    # {} {} before {} {}\n",
    '    {}.{}("{} {}")\n',
)


class Fate(StrEnum):
    """What must become of a document; of a cluster of copies exactly one is kept."""

    KEPT_ONCE = "kept_once"
    BINARY = "binary"
    BROKEN = "broken"
    POISON = "poison"  # set aside by some stage, on record
    REPLAYED = "replayed"  # set aside, sent in again, kept then


@dataclass(frozen=True, slots=True)
class Planned:
    """One document before it is fed; copies of each other share a `cluster`."""

    number: int
    item: CrawlItem
    document_id: str
    fate: Fate
    cluster: str

    @property
    def content(self) -> bytes:
        """The bytes that a crawler found."""
        return self.item.content or b""

    @property
    def content_sha256(self) -> str:
        """Their hash."""
        return sha256_hex(self.content)

    @property
    def blob(self) -> BlobReference | None:
        """Where a crawler would put them, if they are too large for a message."""
        large = len(self.content) > INLINE_BYTES
        return blob_reference(self.content, _DAY) if large else None

    def put(self, blobs: BlobStore) -> None:
        """Put what is too large for a message where its record will say that it is."""
        if (blob := self.blob) is not None:
            blobs.put(blob, self.content)

    def message(self) -> Message:
        """Return the record that a crawler would write."""
        blob = self.blob
        item = self.item if blob is None else replace(self.item, content=None, blob=blob)
        return Message(
            topic=CRAWL_TOPIC,
            key=self.content_sha256.encode(),
            value=encode_crawl_item(item),
            headers=(
                ("schema", b"gristmill.v1.CrawlItem"),
                ("kind", b"file"),
                ("bytes", str(len(self.content)).encode()),
            ),
        )


def documents(name: str, count: int, first: int = 0) -> Iterator[Planned]:
    """Yield so many documents of a case, from the given one on."""
    for number in range(first, first + count):
        yield _planned(name, number)


def document(name: str, number: int, content: str, fate: Fate) -> Planned:
    """Return one document whose content is given: a pill, say. Choose a number nobody has."""
    return _as_planned(name, number, content.encode(), fate, f"{name}/{number}")


def large_documents(name: str, count: int) -> Iterator[Planned]:
    """Yield so many documents whose bodies travel as references into the blob store."""
    for number in range(_LARGE_FROM, _LARGE_FROM + count):
        source = number - 1 if number % _LARGE_ROUND == _LARGE_COPY else number
        size = random.Random(f"{_SEED}/{name}/{source}/size").randint(*_LARGE_BYTES)
        content = _text(name, source, size).encode()
        yield _as_planned(name, number, content, Fate.KEPT_ONCE, f"{name}/{source}")


def _planned(name: str, number: int) -> Planned:
    turn, place = divmod(number, _ROUND)
    first = turn * _ROUND
    source, fate = number, Fate.KEPT_ONCE
    if place == _EXACT:
        source = first + _COPIED
    elif place == _NEAR:
        source = first + _ALMOST_COPIED
    elif place == _EXACT_OF_LAST and turn:
        source = first - _ROUND + _COPIED_NEXT
    content = _text(name, source).encode()
    if place == _NEAR:
        content += f"# {_WORDS[number % len(_WORDS)]}\n".encode()
    elif place == _BINARY:
        content, fate = b"\0\1\2" + content, Fate.BINARY
    elif place == _BROKEN:
        content, fate = b"def (:\n" * 40 + content, Fate.BROKEN
    return _as_planned(name, number, content, fate, f"{name}/{source}")


def _as_planned(name: str, number: int, content: bytes, fate: Fate, cluster: str) -> Planned:
    origin = Origin(source="faults", repository=f"faults/{name}", path=f"src/m{number}.py")
    item = CrawlItem(origin=origin, size_bytes=len(content), content=content)
    identity = document_id(Kind.FILE, origin, sha256_hex(content))
    return Planned(number, item, identity, fate, cluster)


def _text(name: str, number: int, size: int = 0) -> str:
    """Return Python that parses, of `size` or a little more.

    By itself it is 0.2 to 2 KB, and the longest where a near copy is made of it.
    """
    chance = random.Random(f"{_SEED}/{name}/{number}")
    if not size:
        size = 1800 if number % _ROUND == _ALMOST_COPIED else int(200 * 10 ** chance.random())
    parts = []
    length = 0
    while length < size:
        words = iter(chance.choices(_WORDS, k=24))
        lines = [f"def {next(words)}_{number}({next(words)}, {next(words)}):\n"]
        for line in chance.choices(_LINES, k=5):
            lines.append(line.format(*(next(words) for _ in range(4))))
        lines.append(f"    return {next(words)}\n\n\n")
        parts += lines
        length += sum(map(len, lines))
    return "".join(parts)
