"""Sending dead letters in again: out of the dead topic and into their own in one transaction."""

from collections.abc import Callable, Mapping

from gristmill.runtime.engine.envelope import (
    DEAD_TOPIC,
    LETTER_HEADERS,
    MEMBER_BITS,
    partition_source,
)
from gristmill.runtime.model import BadInput, Transient
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


def replay_letters(
    log: Log,
    until: Mapping[Partition, int],
    is_meant: Callable[[Delivery], bool],
    source_of: Callable[[str], str],
) -> tuple[int, int]:
    """Go through the dead topic up to the given offsets; return how many were sent in, and left.

    Letters that are not meant are written behind the others, as they are. `source_of` names a topic
    as the source of positions. Raises Transient when the log does not give or take them.
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
        meant = [is_meant(one) for one in letters]
        messages = [
            _sent_in(one, source_of) if is_one else _put_back(one)
            for one, is_one in zip(letters, meant, strict=True)
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
        replayed += sum(meant)
        left += len(meant) - sum(meant)
        for one in letters:
            if one.offset >= waiting.get(one.partition, one.offset + 1):
                del waiting[one.partition]
    return replayed, left


def _is_past(log: Log, partition: Partition, offset: int) -> bool:
    try:
        return partition in log.assignment() and log.committed(partition).offset > offset
    except Rewound:
        return False


def _sent_in(letter: Delivery, source_of: Callable[[str], str]) -> Message:
    """Return the record as it first was, with its first position and one more attempt."""
    headers = dict(letter.headers)
    try:
        topic = headers["dead-topic"].decode()
        partition = Partition(topic, int(headers["dead-partition"]))
        offset = int(headers["dead-offset"])
        attempt = int(headers.get("attempt", b"1")) + 1
    except (LookupError, ValueError) as error:
        raise BadInput(
            f"the dead letter at {letter.partition.number}:{letter.offset} does not say where it "
            "came from"
        ) from error
    told: dict[str, bytes] = {}
    if "position-source" not in headers:
        told["position-source"] = partition_source(source_of(topic), partition).encode()
        told["position-offset"] = str(offset << MEMBER_BITS).encode()
    told["attempt"] = str(attempt).encode()
    own = tuple(one for one in letter.headers if one[0] not in {*LETTER_HEADERS, *told})
    return Message(topic=topic, key=letter.key, value=letter.value, headers=(*own, *told.items()))


def _put_back(letter: Delivery) -> Message:
    return Message(topic=DEAD_TOPIC, key=letter.key, value=letter.value, headers=letter.headers)
