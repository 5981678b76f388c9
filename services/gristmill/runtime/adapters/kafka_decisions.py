"""What the coordinator's log says of transactions: who committed and who aborted, and where.

The values are those of Kafka's topic __transaction_state. A producer that is made anew aborts what
it left open under the next epoch, so the epoch of the records does not tell how they ended.
"""

import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator

Producer = tuple[int, int]
"""Producer id and epoch."""
Place = tuple[str, int]
"""Topic and number of a partition."""

_HEAD = struct.Struct(">hqhib")  # version, producer id, epoch, time limit, state: in all versions
_ONGOING, _PREPARE_COMMIT, _PREPARE_ABORT = 1, 2, 3
_COMPACT = 1  # the version from which on lengths are written in as few bytes as they need


class Decided:
    """The decisions in a log of transactions, by producer and by partition."""

    def __init__(self, values: Iterable[bytes]) -> None:
        """Read the values in the order of the log; what is no decision is passed over."""
        self._last: dict[tuple[int, str, int], bool] = {}
        self._all: defaultdict[Producer, set[bool]] = defaultdict(set)
        self._going_on: set[int] = set()  # producer ids whose newest transaction is not decided
        for value in values:
            if len(value) < _HEAD.size:
                continue  # the end of a transactional id
            version, producer_id, epoch, _, state = _HEAD.unpack_from(value)
            if state == _ONGOING:
                self._going_on.add(producer_id)
            if state not in {_PREPARE_COMMIT, _PREPARE_ABORT}:
                continue
            self._going_on.discard(producer_id)
            self._all[producer_id, epoch].add(state == _PREPARE_COMMIT)
            for topic, number in _partitions(value, compact=version >= _COMPACT):
                self._last[producer_id, topic, number] = state == _PREPARE_COMMIT

    def about(self, producer: Producer, place: Place) -> bool | None:
        """Return whether a producer's last transaction in a partition was committed.

        That is the one that is open there. Where no transaction names the partition, all that were
        decided under the producer's epoch and the next one have to agree; None where they do not,
        and while a transaction of the producer goes on: it may be that one that is open.
        """
        producer_id, epoch = producer
        if producer_id in self._going_on:
            return None
        named = self._last.get((producer_id, *place))
        if named is not None:
            return named
        decisions = self._all[producer] | self._all[producer_id, epoch + 1]
        return next(iter(decisions)) if len(decisions) == 1 else None


def _partitions(value: bytes, *, compact: bool) -> Iterator[Place]:
    reader = _Reader(value, _HEAD.size, compact=compact)
    for _ in range(reader.length(4)):
        topic = reader.take(reader.length(2)).decode()
        for _ in range(reader.length(4)):
            (number,) = struct.unpack(">i", reader.take(4))
            yield topic, number
        reader.skip_tags()


class _Reader:
    """Kafka's own way to write lengths, texts and lists."""

    def __init__(self, data: bytes, at: int, *, compact: bool) -> None:
        self._data = data
        self._at = at
        self._compact = compact

    def take(self, size: int) -> bytes:
        self._at += size
        return self._data[self._at - size : self._at]

    def length(self, size: int) -> int:
        """Return how much follows, nothing for null; `size` is what the old way takes for it."""
        if self._compact:
            return max(0, self._varint() - 1)
        return max(0, int.from_bytes(self.take(size), signed=True))

    def skip_tags(self) -> None:
        if self._compact:
            for _ in range(self._varint()):
                self._varint()
                self.take(self._varint())

    def _varint(self) -> int:
        number = shift = 0
        while True:
            (byte,) = self.take(1)
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number
