"""The client against real servers: each method once, streams, deadlines, retries and restarts."""

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from door import Doorway, tar
from grpc_served import Gate, Served, serve_all

from gristmill import __version__
from gristmill.client import (
    Accepted,
    Archive,
    CallError,
    Client,
    Origin,
    RefusalReason,
    Refused,
    Retries,
    archive_item,
    file_item,
    raw_file,
    source_file,
)
from gristmill.runtime.adapters.iceberg import IcebergTables, local_catalog
from gristmill.runtime.adapters.memory_index import MemoryIndex
from gristmill.runtime.adapters.run_directory import RunDirectory
from gristmill.runtime.engine import submit_stream
from gristmill.runtime.engine.submit_stream import submit
from gristmill.runtime.model import Overloaded
from gristmill.runtime.wire.generated.gristmill.quality.v1 import quality_pb2
from gristmill.runtime.wire.generated.gristmill.v1 import outcome_pb2, verdict_pb2

GOOD = "def add(a, b):\n    return a + b\n"
BAD = "def f(:\n"
QUICK = Retries(attempts=4, first_seconds=0.02, longest_seconds=0.1)


def origin(path: str) -> Origin:
    return Origin(source="s", repository="r", path=path)


def file(path: str = "a.py", content: str = GOOD) -> verdict_pb2.SourceFile:
    return source_file(content, origin(path))


def numbered(number: int) -> list[verdict_pb2.SourceFile]:
    return [file(content=f"x = {number}\n")]


# --- every method ---


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Client]]:
    """A client of each stage."""
    tables = tmp_path_factory.mktemp("tables") / "out"
    RunDirectory.create(str(tables))
    IcebergTables(local_catalog(str(tables))).create()
    with serve_all(tables, tmp_path_factory.mktemp("door"), MemoryIndex()) as served:
        made = {stage: Client(one.address) for stage, one in served.items()}
        yield made
        for client in made.values():
            client.close()


def test_check_files_and_its_stream_say_what_ingestion_says(clients: dict[str, Client]) -> None:
    client = clients["ingestion"]
    files = [raw_file(GOOD.encode(), origin("a.py")), raw_file(bytes(200), origin("b.py"))]
    expected = [outcome_pb2.REASON_UNSPECIFIED, outcome_pb2.REASON_BINARY]
    assert [one.reason for one in client.check_files(files).verdicts] == expected
    for answer in client.check_files_stream([files, files]):
        assert [one.reason for one in answer.verdicts] == expected


def test_parse_and_its_stream_say_what_syntax_says(clients: dict[str, Client]) -> None:
    client = clients["syntax"]
    bad, good = file(content=BAD), file()
    (verdict,) = client.parse([bad]).verdicts
    assert verdict.reason == outcome_pb2.REASON_SYNTAX_ERRORS
    answers = list(client.parse_stream([[bad], [], [good, bad]]))
    assert [[one.reason for one in answer.verdicts] for answer in answers] == [
        [outcome_pb2.REASON_SYNTAX_ERRORS],
        [],
        [outcome_pb2.REASON_UNSPECIFIED, outcome_pb2.REASON_SYNTAX_ERRORS],
    ]


def test_score_and_its_stream_say_what_quality_says(clients: dict[str, Client]) -> None:
    client = clients["quality"]
    (parsed,) = clients["syntax"].parse([file()]).verdicts
    judged = file()
    judged.annotations.CopyFrom(parsed.annotations)
    (verdict,) = client.score([judged]).verdicts
    assert 0 < verdict.annotations.score <= 1
    for answer in client.score_stream([[judged], [judged]]):
        assert list(answer.verdicts) == [verdict]


def test_check_and_its_stream_and_explain_say_what_dedup_says(clients: dict[str, Client]) -> None:
    client = clients["dedup"]
    twice = [file("a.py"), file("b.py")]
    expected = [outcome_pb2.REASON_UNSPECIFIED, outcome_pb2.REASON_EXACT_DUPLICATE]
    assert [one.reason for one in client.check(twice).verdicts] == expected
    (answer,) = client.check_stream([twice])
    assert [one.reason for one in answer.verdicts] == expected
    told = client.explain(file())
    assert list(told.candidates) == []
    assert told.verdict.outcome == answer.verdicts[0].outcome


def test_tables_says_what_shards_lists(clients: dict[str, Client]) -> None:
    client = clients["shards"]
    names = {one.name for one in client.tables().tables}
    assert {"files", "ledger"} <= names
    (table,) = client.tables("files", limit=1).tables
    assert (table.name, table.num_rows, len(table.snapshots)) == ("files", 0, 1)
    with pytest.raises(CallError, match="nothing") as raised:
        client.tables("nothing")
    assert raised.value.status == "INVALID_ARGUMENT"


def test_submit_and_known_reach_the_front_door(clients: dict[str, Client]) -> None:
    client = clients["ingestion"]
    item = file_item(GOOD.encode(), origin("a.py"))
    assert [one.result for one in client.submit([item])] == [Accepted(num_items=1)]
    assert list(client.known([item.key, "another"])) == [True, False]


def test_items_that_cannot_be_sent_are_refused_and_the_others_go_on(
    clients: dict[str, Client],
) -> None:
    good = [file_item(b"%d" % n, origin(f"good{n}.py")) for n in range(3)]
    large = file_item(bytes((16 << 20) + 1), origin("large.bin"))
    hostile = file_item(b"", origin("\udcff.py"))
    receipts = clients["ingestion"].submit([good[0], large, good[1], hostile, good[2]])
    told = {one.key: one.result for one in receipts}
    assert [told[one.key] for one in good] == [Accepted(num_items=1)] * 3
    reasons = [
        result.reason for one in (large, hostile) if isinstance(result := told[one.key], Refused)
    ]
    assert reasons == [RefusalReason.TOO_LARGE, RefusalReason.FIELD_UNFIT]


def test_an_archive_that_vanished_raises_as_it_was_when_the_others_are_answered(
    clients: dict[str, Client], tmp_path: Path
) -> None:
    item = file_item(b"before", origin("before.py"))
    gone = Archive("gone", origin("gone.tar"), str(tmp_path / "gone.tar"))
    receipts = clients["ingestion"].submit([item, gone])
    assert next(receipts).key == item.key
    with pytest.raises(FileNotFoundError, match=r"gone\.tar"):
        next(receipts)


def test_info_and_is_serving_are_answered_by_every_server(clients: dict[str, Client]) -> None:
    for stage, client in clients.items():
        info = client.info()
        assert (info.stage, info.version) == (stage, __version__)
        assert client.is_serving()
        assert client.is_serving(f"gristmill.{stage}")
        with pytest.raises(CallError, match="NOT_FOUND"):
            client.is_serving("gristmill.nothing")


# --- deadlines, retries, restarts ---


class Server(Served):
    """Calls of the quality stage that a gate answers; `refusals` are raised first."""

    def __init__(self, *refusals: Exception, port: int = 0, answers: int | None = None) -> None:
        super().__init__("quality", {"SERVE_MAX_BATCHES": "3"}, grpc_port=port)
        self.refusals = list(refusals)
        self.answers = answers
        self.gate = Gate(self._answer)
        self.gate.open.set()
        self.api._calls["Score"].judge = self.gate

    def _answer(self, request: bytes) -> bytes:
        if self.refusals:
            raise self.refusals.pop(0)
        if self.answers is not None:
            self.answers -= 1
            if self.answers < 0:
                raise Overloaded("no more")
        (found,) = quality_pb2.ScoreRequest.FromString(request).files
        return quality_pb2.ScoreResponse(version=found.content).SerializeToString()

    def client(self, **options: Any) -> Client:
        return Client(self.address, **{"retries": QUICK, **options})

    def close(self) -> None:
        self.gate.open.set()
        super().close()
        self.gate.close()  # not before: calls that still run would fail of it


def texts(answers: Iterator[quality_pb2.ScoreStreamResponse]) -> list[str]:
    return [one.version for one in answers]


def test_a_deadline_that_passes_is_an_error_that_says_so() -> None:
    with Server() as served, served.client(timeout_seconds=0.3) as client:
        served.gate.open.clear()
        for call in (lambda: client.score([file()]), lambda: list(client.score_stream([[file()]]))):
            with pytest.raises(CallError) as raised:
                call()
            assert raised.value.status == "DEADLINE_EXCEEDED"
            assert not raised.value.may_be_retried


def test_the_deadline_of_a_stream_is_for_each_silence_and_not_for_a_slow_source() -> None:
    def slow() -> Iterator[list[verdict_pb2.SourceFile]]:
        yield numbered(0)
        threading.Event().wait(2.5)  # longer than the deadline
        yield numbered(1)

    with Server() as served, served.client(timeout_seconds=2) as client:
        assert texts(client.score_stream(slow())) == ["x = 0\n", "x = 1\n"]


def test_what_was_refused_for_want_of_room_is_sent_again() -> None:
    full = Overloaded("no place")
    with Server(full, full) as served, served.client() as client:
        assert client.score(numbered(1)).version == "x = 1\n"
        assert served.gate.num_begun == 3
        served.refusals = [full]
        assert texts(client.score_stream(map(numbered, range(5)))) == [
            f"x = {n}\n" for n in range(5)
        ]


def test_a_server_that_stays_full_is_an_error_after_so_many_attempts() -> None:
    with Server(answers=0) as served, served.client() as client:
        for call in (lambda: client.score([file()]), lambda: list(client.score_stream([[file()]]))):
            with pytest.raises(CallError) as raised:
                call()
            assert raised.value.status == "RESOURCE_EXHAUSTED"
            assert raised.value.retry_after_seconds


def test_a_batch_that_is_too_large_is_not_sent_again() -> None:
    large = [file(content="x" * (20 << 20))]
    with Server() as served, served.client() as client:
        for call in (lambda: client.score(large), lambda: list(client.score_stream([large]))):
            with pytest.raises(CallError) as raised:
                call()
            assert raised.value.status == "RESOURCE_EXHAUSTED"
            assert not raised.value.may_be_retried
        assert served.gate.num_begun == 0


def test_a_server_that_was_started_again_between_two_calls_is_found_again() -> None:
    patient = Retries(attempts=50, first_seconds=0.05, longest_seconds=0.2)
    with Server() as first:
        port = first.servers.grpc_port
        client = first.client(retries=patient)
        assert client.score(numbered(1)).version == "x = 1\n"
    with client, Server(port=port):
        assert client.score(numbered(2)).version == "x = 2\n"


def test_a_stream_goes_on_in_order_at_a_server_that_was_started_again() -> None:
    patient = Retries(attempts=50, first_seconds=0.05, longest_seconds=0.2)
    first = Server()
    with first.client(retries=patient) as client:
        answers = client.score_stream(map(numbered, range(300)))
        received = [next(answers).version for _ in range(10)]
        first.close()
        with Server(port=first.servers.grpc_port) as second:
            received += texts(answers)
            assert second.gate.num_begun > 0
    assert received == [f"x = {n}\n" for n in range(300)]


def test_a_stream_takes_no_more_than_a_few_batches_that_have_no_answer() -> None:
    taken: list[int] = []

    def endless() -> Iterator[list[verdict_pb2.SourceFile]]:
        while True:
            taken.append(len(taken))
            yield numbered(taken[-1])

    with Server() as served, served.client() as client:
        answers = client.score_stream(endless())
        for number in range(200):
            assert next(answers).version == f"x = {number}\n"
            assert len(taken) <= number + 70
        answers.close()  # type: ignore[attr-defined]


def test_what_a_source_of_batches_raises_raises_at_the_caller() -> None:
    def broken() -> Iterator[list[verdict_pb2.SourceFile]]:
        yield numbered(1)
        raise OSError("the disk is gone")

    with Server() as served, served.client() as client, pytest.raises(OSError, match="disk"):
        list(client.score_stream(broken()))


# --- items for which there is no room yet ---


class Full(Served):
    """A front door that has no room for archives until it has refused so many of them."""

    def __init__(self, directory: Path, refusals: int) -> None:
        super().__init__("ingestion")
        self.way = Doorway(str(directory), {"archive_bytes": 100_000, "spool_bytes": 100_000})
        self.way.open()
        self.api._ingestion.open(self.way.door, partial(submit, self.way.door))
        self.num_refused = 0
        self._refusals = refusals
        self._hold = self.way.spool.hold
        assert self._hold(100_000, "other")
        self.way.spool.hold = self._hold_later  # type: ignore[method-assign]

    def _hold_later(self, num_bytes: int, owner: str) -> bool:
        if self._hold(num_bytes, owner):
            return True
        self.num_refused += 1
        if self.num_refused == self._refusals:
            self.way.spool.release(100_000, "other")
        return False


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Archive:
    """An archive, for which the front door asks to come again soon."""
    monkeypatch.setattr(submit_stream, "_NO_ROOM_SECONDS", 0.05)
    (tmp_path / "a.tar").write_bytes(tar({"m.py": GOOD.encode()}))
    return archive_item(str(tmp_path / "a.tar"), origin("a.tar"))


def test_an_archive_without_room_is_sent_again_when_it_may_come_again(
    archive: Archive, tmp_path: Path
) -> None:
    files = [file_item(b"%d" % n, origin(f"{n}.py")) for n in range(3)]
    with Full(tmp_path, 2) as served, Client(served.address, retries=QUICK) as client:
        receipts = list(client.submit([files[0], archive, *files[1:]]))
        assert served.num_refused == 2
    assert len(receipts) == 4
    assert {one.result for one in receipts} == {Accepted(num_items=1)}


def test_an_archive_for_which_room_never_comes_has_its_refusal_in_the_end(
    archive: Archive, tmp_path: Path
) -> None:
    with Full(tmp_path, 1000) as served, Client(served.address, retries=QUICK) as client:
        (receipt,) = client.submit([archive])
        assert served.num_refused == QUICK.attempts
    assert isinstance(receipt.result, Refused)
    assert receipt.result.reason is RefusalReason.NO_ROOM
    assert receipt.result.retry_after_seconds
