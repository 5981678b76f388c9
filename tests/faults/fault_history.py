"""The history checker: from what went in and what was read, whatever went wrong on the way.

Pure functions over values. A position names one delivery through all stages, so it is what things
are counted by: lost, doubled, decided twice. Nothing here knows of Kafka but places in topics.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from fault_documents import Fate, Planned

SHARDS = "shards"
_SET_ASIDE = frozenset({"reject", "dead"})
_COPY = frozenset({"exact_duplicate", "near_duplicate"})
_SHOWN = 5  # of each kind, in a message for people


class Place(NamedTuple):
    """Where a record stands."""

    topic: str
    partition: int
    offset: int


class Delivery(NamedTuple):
    """The position of a delivery: set once by the first stage."""

    source: str
    offset: int


class Kind(StrEnum):
    """What can be wrong with a history."""

    LOST = "lost"
    DOUBLED = "doubled"
    ABORTED_READ = "aborted read"
    REORDERED = "reordered"
    SKIPPED_POLL = "skipped poll"
    ROWS_DOUBLED = "rows doubled"
    DISAGREEING = "decisions disagree"
    NOT_CONSERVED = "not conserved"
    FROM_NOWHERE = "from nowhere"
    WRONG_FATE = "wrong fate"
    WRONG_TEXT = "wrong text"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    kind: Kind
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind} in {self.where}: {self.what}"


@dataclass(frozen=True, slots=True)
class Record:
    """A record of the final reading.

    `own` is the delivery that the place itself would be; `delivery` the one that the record
    carries, the same where it carries none. `replay` says that it was sent in again.
    """

    place: Place
    digest: bytes
    own: Delivery
    delivery: Delivery
    document_id: str = ""
    replay: bool = False


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision of the ledger."""

    stage: str
    delivery: Delivery
    document_id: str
    outcome: str
    reason: str = ""

    @property
    def verdict(self) -> tuple[str, str]:
        """What a repeated decision must agree on."""
        return self.outcome, self.reason


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter: which stage set aside the record at which place."""

    stage: str
    place: Place


@dataclass(frozen=True, slots=True)
class FileRow:
    """A row of `files`: the hash that it tells, and that of the text that it holds."""

    document_id: str
    told_sha256: str
    text_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Everything that is known of one case. `topics` are those of the stages, in order."""

    route: Sequence[str]
    topics: Mapping[str, str]
    planned: Sequence[Planned]
    final: Mapping[str, Sequence[Record]]
    concurrent: Mapping[tuple[str, int], Sequence[tuple[int, bytes]]]
    ledger: Sequence[Decided]
    letters: Sequence[Letter]
    files: Sequence[FileRow]
    table_ledger: Sequence[Decided]


class StageFlow(NamedTuple):
    """The conservation of one stage, in documents."""

    came: int
    kept: int
    dropped: int
    set_aside: int


def check(history: History) -> list[Finding]:
    """Return everything that is wrong; nothing for a good history."""
    return [
        *check_readers(history.final, history.concurrent),
        *_check_fed(history),
        *_check_order(history),
        *_check_stages(history),
        *_check_tables(history),
        *_check_fates(history),
    ]


def told(findings: Sequence[Finding]) -> str:
    """Return findings in words: how many of each kind, and the first of them."""
    by_kind: defaultdict[Kind, list[Finding]] = defaultdict(list)
    for one in findings:
        by_kind[one.kind].append(one)
    return "\n".join(
        f"{len(these)} x {kind}:\n  " + "\n  ".join(map(str, these[:_SHOWN]))
        for kind, these in by_kind.items()
    )


def flows(history: History) -> dict[str, StageFlow]:
    """Return what came and what became of it, by stage, from the ledger's table."""
    counts = defaultdict(Counter[str], {stage: Counter[str]() for stage in history.route})
    for one in history.table_ledger:
        counts[one.stage][one.outcome] += 1
    return {
        stage: StageFlow(
            came=count.total(),
            kept=count["keep"],
            dropped=count["drop"],
            set_aside=sum(count[outcome] for outcome in _SET_ASIDE),
        )
        for stage, count in counts.items()
    }


# --- readers --------------------------------------------------------------------------------------


def check_readers(
    final: Mapping[str, Sequence[Record]],
    concurrent: Mapping[tuple[str, int], Sequence[tuple[int, bytes]]],
) -> Iterator[Finding]:
    """Hold what was read while it happened against what is there in the end."""
    there: defaultdict[tuple[str, int], dict[int, bytes]] = defaultdict(dict)
    for records in final.values():
        for record in records:
            topic, partition, offset = record.place
            there[topic, partition][offset] = record.digest
    for key in sorted({*there, *concurrent}):
        where = f"{key[0]}/{key[1]}"
        seen = concurrent.get(key, ())
        for offset, digest in seen:
            if there[key].get(offset) != digest:
                yield Finding(Kind.ABORTED_READ, where, f"{offset} was read and is not there")
        offsets = [offset for offset, _ in seen]
        for before, after in itertools.pairwise(offsets):
            if after <= before:
                yield Finding(Kind.REORDERED, where, f"{after} was read behind {before}")
        known = set(offsets)
        for offset in there[key]:
            if offset not in known:
                yield Finding(Kind.SKIPPED_POLL, where, f"{offset} was passed over")


# --- the log --------------------------------------------------------------------------------------


def _check_fed(history: History) -> Iterator[Finding]:
    topic = history.topics[history.route[0]]
    fed = {record.document_id for record in history.final[topic]}
    for one in history.planned:
        if one.document_id not in fed:
            yield Finding(Kind.LOST, topic, f"document {one.number} was never fed")


def _check_order(history: History) -> Iterator[Finding]:
    """In a partition, deliveries of one source stand in the order in which they were delivered."""
    again = {one.delivery for records in history.final.values() for one in records if one.replay}
    for topic in history.topics.values():
        last: dict[tuple[int, str], int] = {}
        for record in history.final[topic]:
            if record.delivery in again:
                continue
            key = (record.place.partition, record.delivery.source)
            if record.delivery.offset < last.get(key, -1):
                yield Finding(Kind.REORDERED, topic, f"{record.place.offset} is out of its order")
            last[key] = record.delivery.offset


def _check_stages(history: History) -> Iterator[Finding]:
    aliases = _aliases(history)
    decided: defaultdict[str, defaultdict[Delivery, list[Decided]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for one in _decisions(history):
        decided[one.stage][aliases.get((one.stage, one.delivery), one.delivery)].append(one)
    at = {record.place: record for records in history.final.values() for record in records}
    letters: defaultdict[str, Counter[Delivery]] = defaultdict(Counter)
    for letter in history.letters:
        if (record := at.get(letter.place)) is not None:
            letters[letter.stage][record.delivery] += 1
        else:
            yield Finding(Kind.FROM_NOWHERE, "dead letters", f"of {letter.place}")
    for number, stage in enumerate(history.route):
        came = Counter(record.delivery for record in history.final[history.topics[stage]])
        yield from _check_decisions(stage, came, decided[stage])
        yield from _check_letters(stage, decided[stage], letters[stage])
        if number:
            before = history.route[number - 1]
            yield from _check_passed_on(history, before, stage, decided[before])


def _decisions(history: History) -> Iterator[Decided]:
    """Yield every decision: the last stage's are in its table alone."""
    yield from history.ledger
    yield from (one for one in history.table_ledger if one.stage == SHARDS)


def _aliases(history: History) -> dict[tuple[str, Delivery], Delivery]:
    """Return, by stage, the delivery of a record that was set aside under its own place."""
    return {
        (stage, record.own): record.delivery
        for stage, topic in history.topics.items()
        for record in history.final[topic]
        if record.own != record.delivery
    }


def _check_decisions(
    stage: str, came: Counter[Delivery], decided: Mapping[Delivery, Sequence[Decided]]
) -> Iterator[Finding]:
    for delivery, count in came.items():
        these = decided.get(delivery, ())
        if len(these) < count:
            what = f"{count} records and {len(these)} decisions on {delivery}"
            yield Finding(Kind.NOT_CONSERVED, stage, what)
        elif len(these) > count:
            verdicts = {one.verdict for one in these}
            kind = Kind.DOUBLED if len(verdicts) == 1 else Kind.DISAGREEING
            yield Finding(kind, stage, f"{len(these)} decisions on {delivery}: {sorted(verdicts)}")
    for delivery in decided.keys() - came.keys():
        yield Finding(Kind.FROM_NOWHERE, stage, f"a decision on {delivery}, which never came")


def _check_passed_on(
    history: History, before: str, stage: str, decided: Mapping[Delivery, Sequence[Decided]]
) -> Iterator[Finding]:
    """What a stage kept is in the next one's topic, once; replays are sent in behind it."""
    topic = history.topics[stage]
    firsts: Counter[Delivery] = Counter()
    for record in history.final[topic]:
        if not record.replay and record.own != record.delivery:
            firsts[record.delivery] += 1
    for delivery, these in decided.items():
        kept = sum(one.outcome == "keep" for one in these)
        there = firsts.pop(delivery, 0)
        if there < kept:
            yield Finding(Kind.LOST, topic, f"{before} kept {delivery}")
        elif there > kept:
            kind = Kind.DOUBLED if kept else Kind.FROM_NOWHERE
            yield Finding(kind, topic, f"{delivery} is there {there} times, kept {kept} times")
    for delivery in firsts:
        yield Finding(Kind.FROM_NOWHERE, topic, f"{before} never saw {delivery}")


def _check_letters(
    stage: str, decided: Mapping[Delivery, Sequence[Decided]], letters: Counter[Delivery]
) -> Iterator[Finding]:
    for delivery in {*decided, *letters}:
        these = decided.get(delivery, ())
        aside = sum(one.outcome in _SET_ASIDE for one in these)
        if letters[delivery] < aside:
            yield Finding(Kind.LOST, "dead letters", f"{stage} set {delivery} aside")
        elif letters[delivery] > aside:
            what = f"{letters[delivery]} of {delivery}, which {stage} set aside {aside} times"
            yield Finding(Kind.DOUBLED, "dead letters", what)


# --- the tables -----------------------------------------------------------------------------------


def _check_tables(history: History) -> Iterator[Finding]:
    rows = Counter(row.document_id for row in history.files)
    for identity, count in rows.items():
        if count > 1:
            yield Finding(Kind.ROWS_DOUBLED, "files", f"{count} rows of {identity}")
    last = history.topics[SHARDS]
    written = {record.document_id for record in history.final[last] if record.document_id}
    for identity in sorted(written - rows.keys()):
        yield Finding(Kind.LOST, "files", f"no row of {identity}")
    for identity in sorted(rows.keys() - written):
        yield Finding(Kind.FROM_NOWHERE, "files", f"a row of {identity}")
    fed = {one.document_id: one.content_sha256 for one in history.planned}
    for row in history.files:  # the very bytes that were fed, whichever way they went
        if {row.told_sha256, row.text_sha256} != {fed.get(row.document_id, row.text_sha256)}:
            yield Finding(Kind.WRONG_TEXT, "files", f"the row of {row.document_id}")
    logged = Counter(_row(one) for one in history.ledger)
    tabled = Counter(_row(one) for one in history.table_ledger if one.stage != SHARDS)
    for decided in (logged - tabled).elements():
        yield Finding(Kind.LOST, "ledger", f"no row of {decided}")
    for decided in (tabled - logged).elements():
        yield Finding(Kind.ROWS_DOUBLED, "ledger", f"a row more of {decided}")


def _row(one: Decided) -> tuple[str, Delivery, str, str]:
    return one.stage, one.delivery, one.outcome, one.reason


# --- what was meant to become of it ---------------------------------------------------------------


def _check_fates(history: History) -> Iterator[Finding]:
    ends: defaultdict[str, list[Decided]] = defaultdict(list)
    for one in _decisions(history):
        if one.outcome != "keep" or one.stage == SHARDS:
            ends[one.document_id].append(one)
    clusters: defaultdict[str, list[Planned]] = defaultdict(list)
    for planned in history.planned:
        if planned.fate is Fate.KEPT_ONCE:
            clusters[planned.cluster].append(planned)
        else:
            yield from _check_other_fate(planned, ends[planned.document_id])
    for cluster, members in clusters.items():
        verdicts = [one for member in members for one in ends[member.document_id]]
        kept = sum(one.stage == SHARDS and one.outcome == "keep" for one in verdicts)
        if kept != 1:
            said = sorted({(one.stage, *one.verdict) for one in verdicts})
            yield Finding(Kind.WRONG_FATE, cluster, f"kept {kept} times: {said}")
        odd = [one for one in verdicts if not _is_fine_for_a_copy(one)]
        if odd:
            yield Finding(Kind.WRONG_FATE, cluster, f"{odd[0].stage}: {odd[0].verdict}")


def _is_fine_for_a_copy(one: Decided) -> bool:
    if one.outcome == "keep":
        return True
    if one.outcome == "drop":  # resubmitted: the feeder was not sure and delivered again
        return one.reason in _COPY or one.reason == "resubmitted"
    return False


def _check_other_fate(planned: Planned, ends: Iterable[Decided]) -> Iterator[Finding]:
    verdicts = {(one.stage, *one.verdict) for one in ends}
    kept = any(outcome == "keep" for _, outcome, _ in verdicts)
    aside = any(outcome in _SET_ASIDE for _, outcome, _ in verdicts)
    match planned.fate:
        case Fate.BINARY:
            right = verdicts == {("ingestion", "drop", "binary")}
        case Fate.BROKEN:
            right = verdicts == {("syntax", "drop", "syntax_errors")}
        case Fate.REPLAYED:
            right = kept and aside
        case _:  # set aside under its own name or, unopened, under that of its place
            right = not kept
    if not right:
        yield Finding(Kind.WRONG_FATE, planned.cluster, f"{sorted(verdicts)} of {planned.fate}")
