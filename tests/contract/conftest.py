"""What the suites of the dedup index share: fingerprints, verdicts, and indexes to ask.

A signature made by hand is a word of 16 letters, one a band: where two documents have the same
letter in the same place, they share that band, and 7 of 112 rows. Any character is a letter.
"""

import hashlib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest

from gristmill.dedup.fingerprint import sign
from gristmill.runtime.adapters.lmdb_index import LmdbIndex, Table
from gristmill.runtime.adapters.memory_index import MemoryIndex
from gristmill.runtime.model import BadInput, Kind, Position
from gristmill.runtime.ports import DedupIndex, Duplicate, Fingerprint, Kept
from gristmill.runtime.ports.index import BANDS, PERMUTATIONS, ROWS


def _mark(
    offset: int,
    content: str,
    who: str = "",
    *,
    source: str = "s",
    kind: Kind = Kind.FILE,
    bands: str = "",
    rows: Sequence[int] = (),
    num_shingles: int = 100,
    domain: str = "",
) -> Fingerprint:
    assert len(bands) in {0, BANDS}
    name = who or f"{source}/{offset}"
    signature = np.array(rows, "<u2").tobytes() if len(rows) else _signature(bands)
    return Fingerprint(
        document_id=hashlib.sha256(f"{kind} {name} {content}".encode()).hexdigest()[:32],
        kind=kind,
        content_sha256=hashlib.sha256(content.encode()).hexdigest(),
        position=Position(source=source, offset=offset),
        domain=domain,
        signature=signature,
        num_shingles=num_shingles if signature else 0,
    )


def _signature(bands: str) -> bytes:
    parts = (f"{band} {letter}".encode() for band, letter in enumerate(bands))
    return b"".join(hashlib.blake2b(part, digest_size=2 * ROWS).digest() for part in parts)


@pytest.fixture(scope="session")
def mark() -> Callable[..., Fingerprint]:
    """Make the fingerprint of document `who` (default: one of its own) with `content`."""
    return _mark


@pytest.fixture(scope="session")
def signed() -> Callable[..., list[Fingerprint]]:
    """Make the fingerprints of texts, at the offsets from `first` on."""

    def make(texts: Sequence[str], *, first: int = 0, domain: str = "") -> list[Fingerprint]:
        signatures = sign([text.encode() for text in texts])
        return [
            _mark(
                first + at,
                text,
                rows=signatures.rows[at] if signatures.num_shingles[at] else (),
                num_shingles=int(signatures.num_shingles[at]),
                domain=domain,
            )
            for at, text in enumerate(texts)
        ]

    return make


@pytest.fixture(scope="session")
def families() -> Callable[..., list[Fingerprint]]:
    """Make a stream in which one document in three is somewhat like an earlier one.

    Of 112 rows up to 45 are changed, of one in eight documents none: those are copies.
    """

    def make(count: int, *, seed: int = 1, source: str = "s") -> list[Fingerprint]:
        chance = np.random.default_rng(seed)
        rows = chance.integers(0, 1 << 16, (count, PERMUTATIONS), np.uint16)
        contents = [f"{seed} {at}" for at in range(count)]
        domains = chance.integers(0, 2, count)
        for at in np.flatnonzero(chance.random(count) < 1 / 3).tolist():
            like = int(chance.integers(max(0, at - 500), max(at, 1)))
            changed = chance.permutation(PERMUTATIONS)[: chance.integers(0, 46)]
            if chance.random() < 9 / 10:
                domains[at] = domains[like]
            if chance.random() < 1 / 8:
                changed, contents[at] = changed[:0], contents[like]
                domains[at] = domains[like]
            own, rows[at] = rows[at, changed], rows[like]
            rows[at, changed] = own
        return [
            _mark(at, content, rows=row, source=source, domain=f"domain {domain}")
            for at, (content, row, domain) in enumerate(zip(contents, rows, domains, strict=True))
        ]

    return make


@pytest.fixture(scope="session")
def exact() -> Callable[[Fingerprint], Duplicate]:
    return lambda of: Duplicate(of=of.document_id, similarity=1.0, match="exact")


@pytest.fixture(scope="session")
def near() -> Callable[[Fingerprint, int], Duplicate]:
    """Return the verdict on a document of which so many rows equal those of a kept one."""
    return lambda of, rows: Duplicate(
        of=of.document_id, similarity=rows / PERMUTATIONS, match="near"
    )


@pytest.fixture(scope="session")
def code() -> Callable[[int, int], list[str]]:
    """Write so many lines of code by chance; each seed has names of its own."""

    def write(seed: int, num_lines: int) -> list[str]:
        chance = random.Random(seed)
        names = [f"{chance.choice(('get', 'set', 'is', 'to'))}_{seed}_{n}" for n in range(40)]
        lines = []
        while len(lines) < num_lines:
            one, two, three = chance.sample(names, 3)
            number = chance.randrange(1000)
            lines += [
                f"def {one}({two}, *, {three}={number}):",
                f'    """Return the {three} of {two}, {number} at most."""',
                f"    if not isinstance({two}, {three.title()}):",
                f"        raise ValueError(f'{{{two}!r}} is no {three}')",
                f"    return max({number}, {two}.{three}[{number % 7}] or {one})",
            ]
        return lines[:num_lines]

    return write


# --- indexes --------------------------------------------------------------------------------------


class Store:
    """A place for an embedded index, and ways to open it beside tables of one UUID."""

    uuid = "00000000-0000-0000-0000-000000000001"

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def opened(
        self,
        positions: Mapping[str, int] | None = None,
        num_documents: int = 0,
        *,
        map_bytes: int = 1 << 28,  # the file grows as it fills
        threshold: float = 0.7,
    ) -> Iterator[LmdbIndex]:
        """Open the index beside tables that hold so much, by default nothing."""
        table = Table(uuid=self.uuid, positions=positions or {}, num_documents=num_documents)
        index = LmdbIndex(str(self.path), table, map_bytes=map_bytes, threshold=threshold)
        try:
            yield index
        finally:
            index.close()

    def fill(self, *batches: Sequence[Fingerprint]) -> None:
        """Admit batches of which every document is kept."""
        with self.opened() as index:
            for batch in batches:
                assert list(index.admit(batch)) == [Kept()] * len(batch)

    @contextmanager
    def transaction(self, database: bytes) -> Iterator[tuple[lmdb.Transaction, Any]]:
        """Write to one of its databases behind its back."""
        with (
            lmdb.open(str(self.path), map_size=1 << 28, max_dbs=4) as environment,
            environment.begin(write=True) as transaction,
        ):
            yield transaction, environment.open_db(database, txn=transaction)

    def refused(
        self,
        positions: Mapping[str, int] | None = None,
        num_documents: int = 0,
        *,
        uuid: str = uuid,
    ) -> str:
        """Open, twice: it must be refused both times, in the same words, naming the way out."""
        table = Table(uuid=uuid, positions=positions or {}, num_documents=num_documents)
        sentences = set()
        for _ in range(2):
            with pytest.raises(BadInput) as caught:
                LmdbIndex(str(self.path), table, map_bytes=1 << 28)
            sentences.add(str(caught.value))
        (sentence,) = sentences
        assert f"`gristmill dedup rebuild {self.path.parent}`" in sentence
        return sentence


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a place for an embedded index where nothing is yet."""
    return Store(tmp_path / "index")


@pytest.fixture(scope="session")
def make_store(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Store]:
    """Make a place for an embedded index, as often as one is wanted."""
    return lambda: Store(tmp_path_factory.mktemp("store") / "index")


@pytest.fixture(params=["memory", "lmdb"], scope="module")
def fresh(
    request: pytest.FixtureRequest, make_store: Callable[[], Store]
) -> Callable[..., AbstractContextManager[DedupIndex]]:
    """Open an index that nobody has written to."""

    @contextmanager
    def in_memory(*, threshold: float = 0.7) -> Iterator[DedupIndex]:
        yield MemoryIndex(threshold=threshold)

    def embedded(*, threshold: float = 0.7) -> AbstractContextManager[DedupIndex]:
        return make_store().opened(threshold=threshold)

    return in_memory if request.param == "memory" else embedded
