"""Sending dead letters in again: out of the dead topic and into their own in one transaction."""

from collections.abc import Callable, Mapping

from gristmill.runtime.engine.envelope import (
    DEAD_TOPIC,
    LEFT_BEHIND,
    LETTER_HEADERS,
    MEMBER_BITS,
    partition_source,
)
from gristmill.runtime.model import Transient
from gristmill.runtime.ports import (
    Committed,
    Delivery,
    Log,
    Message,
    Partition,
    Rewound,
)

_POLL_SECONDS = 0.5
_MOST_IDLE_POLLS = 120
_MOST_DIGITS = 18  # of a number that fits into 64 bits


def replay_letters(
    log: Log,
    until: Mapping[Partition, int],
    is_meant: Callable[[Delivery], bool],
    source_of: Callable[[str], str],
    entry_of: Callable[[str], str],
) -> tuple[int, int]:
    """Go through the dead topic up to the given offsets; return how many were sent in, and left.

    Letters that are not meant, and those that cannot be sent in, are written behind the others, as
    they are. `source_of` names a topic as the source of positions, `entry_of` the topic by which
    the records of a topic go in. Raises Transient when the log does not give or take them.
    """
    waiting = dict(until)
    replayed = left = idle = 0
    while waiting:
        polled = log.poll(_POLL_SECONDS)
        if polled.lost:
            raise Transient("another replay is going on")
        letters = [one for one in polled.deliveries if one.offset <= until.get(one.partition, -1)]
        idle = 0 if letters else idle + 1
        if idle > _MOST_IDLE_POLLS:
            raise Transient("the log does not give the dead letters")
        if not letters:
            # A transaction that nobody answered for may have happened.
            waiting = {one: at for one, at in waiting.items() if not _is_past(log, one, at)}
            continue
        records = [_sent_in(one, source_of, entry_of) if is_meant(one) else None for one in letters]
        messages = [
            _put_back(letter) if record is None else record
            for letter, record in zip(letters, records, strict=True)
        ]
        try:
            done = log.transact(
                messages, {one.partition: Committed(one.offset + 1) for one in letters}
            )
        except Rewound:
            continue
        if not done:  # the group is being arranged anew: these letters come again
            log.rewind()
            continue
        left += records.count(None)
        replayed += len(records) - records.count(None)
        for one in letters:
            if one.offset >= waiting.get(one.partition, one.offset + 1):
                del waiting[one.partition]
    return replayed, left


def _is_past(log: Log, partition: Partition, offset: int) -> bool:
    try:
        return partition in log.assignment() and log.committed(partition).offset > offset
    except Rewound:
        return False


def can_be_sent_in(letter: Delivery) -> bool:
    """Tell whether a letter says where it came from, and holds its record's bytes."""
    headers = dict(letter.headers)
    topic = headers.get("dead-topic", b"")
    numbers = (
        headers.get("dead-partition", b""),
        headers.get("dead-offset", b""),
        headers.get("attempt", b"1"),
    )
    return (
        LEFT_BEHIND not in headers
        and bool(topic)
        and topic.isascii()
        and all(one.isdigit() and len(one) <= _MOST_DIGITS for one in numbers)
    )


def _sent_in(
    letter: Delivery, source_of: Callable[[str], str], entry_of: Callable[[str], str]
) -> Message | None:
    """Return the record as it first was, with its first position and one more attempt."""
    if not can_be_sent_in(letter):
        return None
    headers = dict(letter.headers)
    topic = headers["dead-topic"].decode()
    partition = Partition(topic, int(headers["dead-partition"]))
    offset = int(headers["dead-offset"])
    attempt = int(headers.get("attempt", b"1")) + 1
    told: dict[str, bytes] = {}
    if "position-source" not in headers:
        told["position-source"] = partition_source(source_of(topic), partition).encode()
        told["position-offset"] = str(offset << MEMBER_BITS).encode()
    told["attempt"] = str(attempt).encode()
    own = tuple(one for one in letter.headers if one[0] not in {*LETTER_HEADERS, *told})
    return Message(
        topic=entry_of(topic), key=letter.key, value=letter.value, headers=(*own, *told.items())
    )


def _put_back(letter: Delivery) -> Message:
    return Message(topic=DEAD_TOPIC, key=letter.key, value=letter.value, headers=letter.headers)
