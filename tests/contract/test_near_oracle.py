"""The port DedupIndex against an oracle that knows the texts: all verdicts, in any history."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from math import sqrt
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gristmill.runtime.adapters.memory_index import MemoryIndex
from gristmill.runtime.model import Kind, Position
from gristmill.runtime.ports import Admission, DedupIndex, Duplicate, Fingerprint, Kept, Resubmitted
from gristmill.runtime.ports.index import BANDS, PERMUTATIONS

THRESHOLD = 0.7
SPREADS = 4.5  # standard errors by which an estimate may be off


@dataclass(frozen=True)
class Text:
    """A text with its shingles, as sets of tuples, and its fingerprint without a position."""

    shingles: frozenset[tuple[str, ...]]
    fingerprint: Fingerprint


def jaccard(one: Text, other: Text) -> float:
    union = len(one.shingles | other.shingles)
    return len(one.shingles & other.shingles) / union if union else 0.0


@pytest.fixture(scope="module")
def texts(signed: Any, code: Any) -> list[Text]:
    """Families of texts from unlike to equal, and some too short for a signature.

    A token is a word between white space here, so that no tokenizer is needed to tell.
    """
    chance = random.Random(11)

    def words_of(seed: int, num_lines: int) -> list[str]:
        words = " ".join(code(seed, num_lines)).split()
        bare = ("".join(filter(str.isalnum, word)) for word in words)
        return [word for word in bare if word]

    licence = words_of(0, 25)
    written = ["", "x", "a b c d", "a b  c d", "a b c d e", "a b c d e ", "v w x y z"]
    for family in range(1, 6):
        words = words_of(family, 50)
        head = words[: len(words) * 6 // 10]
        written += [" ".join(words), "\n".join(words), " ".join(head), " ".join(licence + words)]
        for share in (0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.12, 0.3):
            edited = [
                f"edit{number}" if chance.random() < share else word
                for number, word in enumerate(words)
            ]
            written.append(" ".join(edited))
    made = []
    for text, fingerprint in zip(written, signed(written), strict=True):
        words = text.split()
        shingles = frozenset(tuple(words[at : at + 5]) for at in range(len(words) - 4))
        assert fingerprint.num_shingles == len(shingles)
        made.append(Text(shingles, fingerprint))
    return made


def test_the_texts_cover_all_similarities(texts: list[Text]) -> None:
    alike = [jaccard(one, other) for one, other in combinations(texts, 2)]
    for low in (0, 0.2, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9):
        assert sum(low <= j < low + 0.1 for j in alike) >= 10, low


class Oracle:
    """The rule, one document at a time, in plain dictionaries: no table, no batch, no kernel."""

    def __init__(self, texts: Sequence[Text]) -> None:
        self.texts = {text.fingerprint.content_sha256: text for text in texts}
        self.take([])

    def take(self, owners: Sequence[Fingerprint]) -> None:
        """Begin anew with documents that are kept."""
        self.owners: list[Fingerprint] = []
        self.exact: dict[tuple[Kind, str], int] = {}
        self.bands: dict[tuple[str, int, bytes], int] = {}
        for owner in owners:
            self._keep(owner)

    def _bands(self, one: Fingerprint) -> list[tuple[str, int, bytes]]:
        if not self.texts[one.content_sha256].shingles:
            return []
        size = len(one.signature) // BANDS
        return [
            (one.domain, band, one.signature[band * size : (band + 1) * size])
            for band in range(BANDS)
        ]

    def _keep(self, one: Fingerprint) -> None:
        number = len(self.owners)
        self.owners.append(one)
        assert (one.kind, one.content_sha256) not in self.exact
        self.exact[one.kind, one.content_sha256] = number
        for band in self._bands(one):
            self.bands.setdefault(band, number)

    def admit(self, one: Fingerprint) -> Admission:
        equal = self.exact.get((one.kind, one.content_sha256))
        if equal is None or self.owners[equal].domain != one.domain:
            met = {self.bands[band] for band in self._bands(one) if band in self.bands}
            for number in sorted(met):
                match = self._compared(one, self.owners[number])
                if match is not None and (equal is None or number < equal):
                    return match
        if equal is None:
            self._keep(one)
            return Kept()
        owner = self.owners[equal]
        if owner.document_id != one.document_id:
            return Duplicate(of=owner.document_id, similarity=1.0, match="exact")
        return Kept() if owner.position == one.position else Resubmitted()

    def _compared(self, one: Fingerprint, owner: Fingerprint) -> Duplicate | None:
        ours, theirs = (self.texts[each.content_sha256] for each in (one, owner))
        sizes = sorted((len(ours.shingles), len(theirs.shingles)))
        rows = [
            [each.signature[at : at + 2] for at in range(0, 2 * PERMUTATIONS, 2)]
            for each in (one, owner)
        ]
        similarity = sum(a == b for a, b in zip(*rows, strict=True)) / PERMUTATIONS
        if sizes[0] < THRESHOLD * sizes[1] or similarity < THRESHOLD:
            return None
        # The law behind the rule: what falls is alike, as exactly as so many rows can tell.
        exactly = jaccard(ours, theirs)
        assert exactly >= 0.4
        error = sqrt(exactly * (1 - exactly) / PERMUTATIONS)
        assert abs(similarity - exactly) <= SPREADS * error
        return Duplicate(of=owner.document_id, similarity=similarity, match="near")


News = tuple[int, str, str, Kind, str, int]
_NEWS = st.lists(
    st.tuples(
        st.integers(0, 10_000),  # which text
        st.sampled_from(("me", "you", "")),
        st.sampled_from(("s", "t")),
        st.sampled_from((Kind.FILE, Kind.FILE, Kind.FILE, Kind.COMMIT)),
        st.sampled_from(("", "", "", "elsewhere")),  # its domain within its kind
        st.integers(0, 2),  # positions left out before it
    ),
    min_size=1,
    max_size=8,
)


class NearMachine(RuleBasedStateMachine):
    """Admits new batches, replays and resubmits old ones; every verdict must be the oracle's."""

    texts: list[Text]
    open_memory: Callable[[], AbstractContextManager[DedupIndex]]

    def __init__(self) -> None:
        super().__init__()
        self.oracle = Oracle(self.texts)
        self.history: list[list[Fingerprint]] = []  # what may be delivered again, in order
        self.next: dict[str, int] = {}
        self.settled: tuple[list[Fingerprint], dict[str, int]] = ([], {})  # what history began from

    @initialize()
    def open(self) -> None:
        self.enter(self.open_memory())

    def enter(self, context: AbstractContextManager[Any]) -> None:
        self.context = context
        self.index = context.__enter__()

    def deliver(self, batch: Sequence[Fingerprint]) -> None:
        verdicts = list(self.index.admit(batch))
        assert verdicts == [self.oracle.admit(one) for one in batch]
        for one, verdict in zip(batch, verdicts, strict=True):
            if verdict == Kept():
                owner = self.oracle.owners[self.oracle.exact[one.kind, one.content_sha256]]
                assert owner.document_id == one.document_id, "what is kept owns its content"

    def drawn(self, news: list[News]) -> list[Fingerprint]:
        """Give texts and places to what was drawn, and note what comes next."""
        batch = []
        for choice, who, source, kind, place, gap in news:
            offset = self.next.get(source, 0) + gap
            self.next[source] = offset + 1
            chosen = self.texts[choice % len(self.texts)].fingerprint
            name = who or f"{source}/{offset}"
            batch.append(
                replace(
                    chosen,
                    document_id=self.identity(name, chosen.content_sha256, kind),
                    kind=kind,
                    position=Position(source=source, offset=offset),
                    domain=f"{kind}/{place}",
                )
            )
        return batch

    @staticmethod
    def identity(name: str, content: str, kind: Kind) -> str:
        return f"{name}{kind}".encode().hex()[:16].rjust(16, "0") + content[:16]

    @rule(news=_NEWS)
    def admit(self, news: list[News]) -> None:
        batch = self.drawn(news)
        self.deliver(batch)
        self.history.append(batch)

    @rule(news=_NEWS, cuts=st.sets(st.integers(1, 7), max_size=4))
    def admit_in_pieces(self, news: list[News], cuts: set[int]) -> None:
        batch = self.drawn(news)
        bounds = sorted({0, *(cut for cut in cuts if cut < len(batch)), len(batch)})
        for begin, end in pairwise(bounds):
            self.deliver(batch[begin:end])
        self.history.append(batch)

    @precondition(lambda self: self.history)
    @rule(choice=st.integers(0, 99))
    def replay(self, choice: int) -> None:
        self.deliver(self.history[choice % len(self.history)])

    @precondition(lambda self: self.history)
    @rule(choice=st.integers(0, 99))
    def replay_all_from_one_on_in_one_batch(self, choice: int) -> None:
        start = choice % len(self.history)
        self.deliver([one for batch in self.history[start:] for one in batch])

    @precondition(lambda self: self.history)
    @rule(choice=st.integers(0, 99), source=st.sampled_from(("s", "t")))
    def resubmit(self, choice: int, source: str) -> None:
        batch = []
        for one in self.history[choice % len(self.history)]:
            offset = self.next.get(source, 0)
            self.next[source] = offset + 1
            batch.append(replace(one, position=Position(source=source, offset=offset)))
        self.deliver(batch)
        self.history.append(batch)

    @rule(part=st.integers(1, 4))
    def release(self, part: int) -> None:
        """Give up every `part`th claim, by the ids of its documents."""
        ids = {one.document_id for one in self.oracle.owners[::part]}
        owners = [one for one in self.oracle.owners if one.document_id not in ids]
        assert self.index.release(ids) == len(self.oracle.owners) - len(owners)
        self.begin_from(owners)

    def begin_from(self, owners: list[Fingerprint]) -> None:
        """Forget what was delivered: it could own now what it did not own then."""
        self.oracle.take(owners)
        self.history = []
        self.settled = (owners, dict(self.next))

    @invariant()
    def the_watermarks_stand_behind_all(self) -> None:
        assert self.index.watermarks() == self.next

    def teardown(self) -> None:
        self.context.__exit__(None, None, None)


class NoCommit:
    """LMDB whose transactions take everything and fail at their end."""

    def __init__(self, environment: Any) -> None:
        self._environment = environment

    @contextmanager
    def begin(self, **options: Any) -> Iterator[Any]:
        with self._environment.begin(**options) as transaction:
            yield transaction
            raise RuntimeError("no commit")


class EmbeddedNearMachine(NearMachine):
    """Also fails to commit, closes and opens again, and gives up what was not written."""

    make_store: Callable[[], Any]

    @initialize()
    def open(self) -> None:
        self.store = self.make_store()
        self.enter(self.store.opened())

    @rule(news=_NEWS)
    def fail_to_commit(self, news: list[News]) -> None:
        before = dict(self.next)
        batch = self.drawn(news)
        self.next = before
        whole = self.index._environment
        self.index._environment = NoCommit(whole)
        with pytest.raises(RuntimeError, match="no commit"):
            self.index.admit(batch)
        self.index._environment = whole

    @rule()
    def reopen(self) -> None:
        self.context.__exit__(None, None, None)
        self.enter(self.store.opened(self.next, len(self.oracle.owners)))

    @rule(share=st.integers(0, 10))
    def reopen_with_tables_that_lag(self, share: int) -> None:
        """What a kill between index and tables leaves: the tables hold a head of the stream."""
        self.context.__exit__(None, None, None)
        stream = [one for batch in self.history for one in batch]
        head = stream[: len(stream) * share // 10]
        owners, next_positions = self.settled
        positions = dict(next_positions)
        for one in head:
            source, end = one.position.source, one.position.offset + 1
            positions[source] = max(end, positions.get(source, 0))
        self.oracle.take(owners)
        for one in head:
            self.oracle.admit(one)
        self.history = [head] if head else []
        self.next = {source: positions.get(source, 0) for source in self.next}
        self.enter(self.store.opened(positions, len(self.oracle.owners)))

    @rule(part=st.integers(1, 3), current=st.sets(st.sampled_from(("s", "t"))))
    def release_unwritten(self, part: int, current: set[str]) -> None:
        """Give up every `part`th claim of the sources that are not current."""
        owners = [
            one
            for number, one in enumerate(self.oracle.owners)
            if number % part or one.position.source in current
        ]
        self.index.release_unwritten({one.document_id for one in owners}, current)
        self.begin_from(owners)

    @invariant()
    def it_holds_what_the_oracle_holds(self) -> None:
        assert len(self.index) == len(self.oracle.owners)
        assert self.index._claims.num_claims == len(self.oracle.bands)


def test_the_index_in_memory_answers_as_the_oracle_does(texts: list[Text]) -> None:
    @contextmanager
    def in_memory() -> Any:
        yield MemoryIndex()

    class Machine(NearMachine):
        open_memory = staticmethod(in_memory)

    Machine.texts = texts
    run_state_machine_as_test(Machine, settings=settings(max_examples=60, stateful_step_count=20))


def test_the_embedded_index_answers_as_the_oracle_does_over_failures_and_reopening(
    texts: list[Text], make_store: Callable[[], Any]
) -> None:
    class Machine(EmbeddedNearMachine):
        pass

    Machine.texts, Machine.make_store = texts, staticmethod(make_store)
    run_state_machine_as_test(Machine, settings=settings(max_examples=40, stateful_step_count=20))
