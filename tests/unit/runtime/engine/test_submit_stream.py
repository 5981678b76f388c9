"""One stream of the front door: bounded while the log is slow, ended in order, and archives."""

import asyncio
import io
import math
import os
import tarfile
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from door import Doorway, chunks, file, tar

from gristmill.runtime.engine import submit_stream
from gristmill.runtime.engine.front_door import MOST_ARCHIVES
from gristmill.runtime.engine.submit_stream import portions, submit
from gristmill.runtime.model import (
    Accepted,
    Reason,
    RefusalReason,
    Refused,
    Submission,
    Transient,
)
from gristmill.runtime.wire import decode_receipts, encode_submissions

NEW = Accepted(num_items=1)
MEMBERS = {f"a-1.0/m{n}.py": b"n = %d\n" % n * 100 for n in range(25)}


@pytest.fixture
def way(tmp_path: Path) -> Doorway:
    return Doorway(str(tmp_path))


def narrow(tmp_path: Path, **settings: Any) -> Doorway:
    return Doorway(str(tmp_path), settings)


class Endless:
    """A client that sends without end; counts what was asked of it."""

    def __init__(self, size: int = 1000) -> None:
        self.sent = 0
        self._size = size

    async def requests(self) -> AsyncIterator[bytes]:
        while True:
            self.sent += 1
            yield encode_submissions([file(f"{id(self)}-{self.sent}", b"x" * self._size)])
            await asyncio.sleep(0)


async def settled(*clients: Endless) -> None:
    """Wait until nothing more is asked of the clients."""
    while True:
        before = [client.sent for client in clients]
        await asyncio.sleep(0.1)
        if [client.sent for client in clients] == before:
            return


# --- bounds ---


def test_a_stream_is_not_read_on_while_the_log_does_not_take_what_it_sent(tmp_path: Path) -> None:
    async def scene(way: Doorway) -> None:
        way.writer.may_write.clear()
        client = Endless(size=1000)
        stream = submit(way.door, "c", client.requests())
        first = asyncio.ensure_future(anext(stream))
        await settled(client)
        assert 40 <= client.sent <= 52  # each takes its bytes and a KiB of overhead
        assert way.door.room.held <= 100_000
        way.writer.may_write.set()
        await first
        before = client.sent
        for _ in range(5):
            await anext(stream)
        assert client.sent > before
        await stream.aclose()

    narrow(tmp_path, stream_bytes=100_000).play(scene)


def test_all_streams_together_hold_no_more_than_the_server_may(tmp_path: Path) -> None:
    async def scene(way: Doorway) -> None:
        way.writer.may_write.clear()
        clients = [Endless() for _ in range(20)]
        streams = [submit(way.door, "c", client.requests()) for client in clients]
        firsts = [asyncio.ensure_future(anext(stream)) for stream in streams]
        await settled(*clients)
        assert way.door.room.most_held <= 200_000
        assert sum(client.sent for client in clients) <= 200_000 / 2000 + 2 * len(clients)
        way.writer.may_write.set()
        await asyncio.gather(*firsts)
        for stream in streams:
            await stream.aclose()
        assert way.door.room.most_held <= 200_000

    narrow(tmp_path, inflight_bytes=200_000).play(scene)


def test_a_client_that_does_not_read_its_receipts_is_not_read_on(tmp_path: Path) -> None:
    async def scene(way: Doorway) -> None:
        client = Endless(size=10)
        stream = submit(way.door, "c", client.requests())
        await anext(stream)
        await settled(client)
        assert client.sent <= 2 * 100 + 2
        await stream.aclose()

    narrow(tmp_path, stream_items=100).play(scene)


def test_places_are_given_back_with_the_receipts(tmp_path: Path) -> None:
    way = narrow(tmp_path, stream_items=10)
    requests = [[file(f"{n}-{m}") for m in range(7)] for n in range(5)]
    assert len(way.play(lambda way: way.send(*requests))) == 35


def test_a_request_larger_than_all_the_room_is_taken_alone(tmp_path: Path) -> None:
    way = narrow(tmp_path, stream_bytes=1000, inflight_bytes=1000)
    answers = way.play(lambda way: way.send([file("a", b"x" * 5000)], [file("b", b"y" * 5000)]))
    assert answers == {"a": NEW, "b": NEW}
    assert way.door.room.held == 0


def test_a_request_of_more_items_than_a_stream_may_have_is_taken_in_parts(tmp_path: Path) -> None:
    way = narrow(tmp_path, stream_items=10)
    sent = [file(f"{n}") for n in range(25)]
    assert way.play(lambda way: way.send(sent)) == {f"{n}": NEW for n in range(25)}
    assert max(way.writer.batches) <= 10


def test_a_client_above_its_quota_is_read_more_slowly(tmp_path: Path) -> None:
    async def scene(way: Doorway) -> None:
        await way.send(*([file(f"{n}-{m}") for m in range(10)] for n in range(4)))
        assert way.slept == [0.5, 0.5]  # a second's worth is free
        await way.send([file("other")], client="other")
        assert way.slept == [0.5, 0.5]
        way.clock.seconds += 0.5
        await way.send([file(f"{m}") for m in range(10)])
        assert way.slept == [0.5, 0.5]

    narrow(tmp_path, client_items_per_second=20.0).play(scene)


def test_a_quota_of_bytes_counts_bytes(tmp_path: Path) -> None:
    way = narrow(tmp_path, client_bytes_per_second=1000.0)
    way.play(lambda way: way.send([file("a", b"x" * 3000)], [file("b")]))
    (slept,) = way.slept  # what is larger than a second's worth is waited for by the next
    assert slept == pytest.approx(2.1, abs=0.1)


def test_a_request_above_the_quota_is_answered_as_it_is_taken(tmp_path: Path) -> None:
    async def scene(way: Doorway) -> None:
        seconds_to_sleep = asyncio.Semaphore(0)

        async def sleep(seconds: float) -> None:
            assert seconds <= 1.0
            await seconds_to_sleep.acquire()
            way.clock.seconds += seconds

        way.door.quotas.sleep = sleep
        receipts = way.receipts([file(f"{n}") for n in range(20)])
        for n in range(20):
            assert (await anext(receipts)).key == f"{n}"
            seconds_to_sleep.release()
        assert way.writer.batches == [1] * 20

    narrow(tmp_path, client_items_per_second=1.0).play(scene)


def test_a_client_that_gives_up_its_streams_gets_on_under_any_quota(tmp_path: Path) -> None:
    async def scene(way: Doorway) -> None:
        missing = {f"{n}" for n in range(10)}
        for _ in range(10):
            receipts = way.receipts([file(key) for key in sorted(missing)])
            missing.discard((await anext(receipts)).key)
            await receipts.aclose()
        assert missing == set()
        assert max(way.slept) <= 1.0001  # no stream pays for what another did not send

    narrow(tmp_path, client_items_per_second=1.0).play(scene)


def test_who_gives_up_waiting_for_a_quota_is_not_charged(tmp_path: Path) -> None:
    async def scene(way: Doorway) -> None:
        quotas = way.door.quotas
        await quotas.take("c", 10, 0)
        quotas.sleep = lambda _: asyncio.Event().wait()
        waiting = [asyncio.ensure_future(quotas.take("c", 10, 0)) for _ in range(5)]
        await asyncio.sleep(0)
        for one in waiting:
            one.cancel()
        await asyncio.wait(waiting)
        way.clock.seconds += 1.0
        await asyncio.wait_for(quotas.take("c", 10, 0), 5)

    narrow(tmp_path, client_items_per_second=10.0).play(scene)


def test_the_bytes_of_a_request_are_shared_out_among_its_parts() -> None:
    found = [file("a", b"x" * 500), file("b", b"x" * 500), file("c", b"x" * 5000), file("d")]
    total = 6006 + 400
    parts = list(portions(found, total, (math.inf, 1300.0)))
    assert [[one.key for one in part] for part, _ in parts] == [["a", "b"], ["c"], ["d"]]
    assert sum(size for _, size in parts) == pytest.approx(total)
    assert [len(part) for part, _ in portions(found, total, (3.0, math.inf))] == [3, 1]
    assert list(portions(found, total, (math.inf, math.inf))) == [(found, pytest.approx(total))]
    assert list(portions([], 77, (1.0, 1.0))) == [([], 77)]


def test_what_belongs_to_an_archive_is_a_part_of_its_own() -> None:
    found = [file("a"), file("b"), *chunks("k", b"x" * 2000), file("c")]
    parts = [part for part, _ in portions(found, 4000, (math.inf, math.inf))]
    assert [[one.key for one in part] for part in parts] == [["a", "b"], ["k"], ["k"], ["c"]]


# --- ends ---


def test_what_is_in_work_when_a_client_goes_is_safe_and_known_the_next_time(way: Doorway) -> None:
    async def scene(way: Doorway) -> Any:
        way.writer.may_write.clear()
        client = Endless()
        stream = submit(way.door, "c", client.requests())
        first = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0.1)
        first.cancel()
        await asyncio.wait({first})
        assert way.door.readers == set()
        way.writer.may_write.set()
        return await way.send([file(f"{id(client)}-1", b"x" * 1000)])

    (answer,) = way.play(scene).values()
    assert answer == Accepted(num_items=1, known_before=True)
    assert way.door.room.held == 0


def test_a_door_that_drains_answers_what_it_has_and_reads_no_further(way: Doorway) -> None:
    async def scene(way: Doorway) -> None:
        way.writer.may_write.clear()
        client = Endless()
        received: list[bytes] = []

        async def receive() -> None:
            async for response in submit(way.door, "c", client.requests()):
                received.append(response)

        stream = asyncio.ensure_future(receive())
        await asyncio.sleep(0.1)
        for _ in range(3):  # a server drains when it is told to end, and once more when it ends
            way.door.drain()
            await asyncio.sleep(0.02)
        sent = client.sent
        assert not stream.done()
        way.writer.may_write.set()
        with pytest.raises(Transient, match="the server stops"):
            await stream
        assert client.sent == sent
        assert received
        with pytest.raises(Transient, match="the server stops"):
            await way.send([file("late")])

    way.play(scene)


def test_a_half_closed_stream_is_answered_in_full_however_often_the_door_drains(
    way: Doorway,
) -> None:
    async def scene(way: Doorway) -> Any:
        way.writer.may_write.clear()
        stream = asyncio.ensure_future(way.send([file("a"), file("b")]))
        await asyncio.sleep(0.1)
        for _ in range(3):
            way.door.drain()
            await asyncio.sleep(0.02)
        assert not stream.done()
        way.writer.may_write.set()
        return await stream

    assert way.play(scene) == {"a": NEW, "b": NEW}


def test_a_door_that_drains_wakes_clients_that_wait_for_their_quota(tmp_path: Path) -> None:
    async def scene(way: Doorway) -> None:
        way.door.quotas.sleep = asyncio.sleep
        stream = asyncio.ensure_future(way.send(*([file(n, b"x" * 1000)] for n in "ab")))
        await asyncio.sleep(0.05)
        way.door.drain()
        with pytest.raises(Transient, match="the server stops"):
            await asyncio.wait_for(stream, 5)

    narrow(tmp_path, client_bytes_per_second=0.001).play(scene)


# --- archives ---


def test_the_members_of_an_archive_become_items_and_one_receipt(way: Doorway) -> None:
    sent = chunks("arch", tar(MEMBERS), repository="")
    assert len(sent) > 10
    answers = way.play(lambda way: way.send(sent[:3], [file("between"), *sent[3:]]))
    assert answers == {"between": NEW, "arch": Accepted(num_items=25)}
    found = {item.origin.path: item.content for item in way.items}
    assert found.pop("between.py") == b"a = 1\n"
    assert found == MEMBERS
    assert {item.origin.repository for item in way.items[1:]} <= {"a-1.0.tar", "example.org/a/b"}
    assert way.spool.held_bytes == 0


def test_archives_that_wait_to_be_read_hold_so_many_files_open(way: Doorway) -> None:
    """A stream that brings more of them is read no further."""

    def num_files() -> int:
        return len(os.listdir("/proc/self/fd"))

    async def scene(way: Doorway) -> Any:
        way.writer.may_write.clear()
        before = num_files()
        sent = [chunks(f"arch{n}", tar({"m.py": b"%d\n" % n}), size=1 << 20) for n in range(100)]
        streams = [asyncio.ensure_future(way.send(*sent[at::2])) for at in range(2)]
        held = 0
        for _ in range(20):
            await asyncio.sleep(0.02)
            held = max(held, num_files() - before)
        assert not any(stream.done() for stream in streams)
        way.writer.may_write.set()
        answers = [await stream for stream in streams]
        return held, answers[0] | answers[1]

    held, answers = way.play(scene)
    assert held <= MOST_ARCHIVES + 2 + 4  # one that comes in each stream, and the threads' own
    assert answers == dict.fromkeys([f"arch{n}" for n in range(100)], NEW)
    assert way.spool.held_bytes == 0


def test_streams_that_wait_for_a_place_hold_no_room(tmp_path: Path) -> None:
    async def scene(way: Doorway) -> None:
        for _ in range(MOST_ARCHIVES):
            await way.door.archives.acquire()
        archive = tar(MEMBERS)
        sent = [chunks(f"arch{n}", archive, size=1 << 20) for n in range(3)]
        streams = [asyncio.ensure_future(way.send([file(f"{n}"), *sent[n]])) for n in range(3)]
        while len(way.writer.written) < 3 or way.door.room.held:
            await asyncio.sleep(0.01)
        assert await way.send([file("other", b"x" * 50_000)], client="other") == {"other": NEW}
        for _ in range(MOST_ARCHIVES):
            way.door.archives.release()
        answers = [await stream for stream in streams]
        accepted = Accepted(num_items=len(MEMBERS))
        assert answers == [{f"{n}": NEW, f"arch{n}": accepted} for n in range(3)]
        assert way.door.room.held == 0

    narrow(tmp_path, inflight_bytes=60_000, stream_bytes=60_000).play(scene)


def test_an_archive_sent_again_is_known_and_with_other_bytes_it_is_refused(way: Doorway) -> None:
    async def scene(way: Doorway) -> Any:
        await way.send(chunks("arch", tar(MEMBERS)))
        again = await way.send(chunks("arch", tar(MEMBERS)))
        return again, await way.send(chunks("arch", tar({"x": b"1"})))

    again, other = way.play(scene)
    assert again == {"arch": Accepted(num_items=25, known_before=True)}
    assert other["arch"].reason is RefusalReason.KEY_REUSED
    assert len(way.writer.written) == 25


def test_an_archive_that_was_given_up_in_the_middle_goes_on_where_it_was(way: Doorway) -> None:
    members = {f"m{n}": b"%d" % n * 200_000 for n in range(12)}

    async def scene(way: Doorway) -> Any:
        write, turns = way.writer.write, iter(range(100))

        def fail_at_the_second(messages: Any) -> None:
            if next(turns) == 1:
                raise Transient("the log is out")
            write(messages)

        way.writer.write = fail_at_the_second  # type: ignore[method-assign]
        with pytest.raises(Transient):
            await way.send(chunks("arch", tar(members), 1 << 20))
        assert 0 < len(way.writer.written) < 12
        return await way.send(chunks("arch", tar(members), 1 << 20))

    assert way.play(scene) == {"arch": Accepted(num_items=12)}
    assert [item.origin.path for item in way.items] == list(members)


def zipped(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def test_a_zip_is_opened_by_the_end_of_its_url(way: Doorway) -> None:
    sent = chunks("z", zipped({"a.py": b"1"}), path="", url="https://example.org/a.zip?x=y.tar")
    assert way.play(lambda way: way.send(sent)) == {"z": Accepted(num_items=1)}


def test_what_is_wrong_inside_an_archive_is_put_on_record(way: Doorway) -> None:
    broken = tar({"good.py": b"1", "../evil.py": b"2", "large": b"x" * ((1 << 20) + 1)})[:-500_000]
    assert way.play(lambda way: way.send(chunks("arch", broken, 1 << 20))) == {
        "arch": Accepted(num_items=4)
    }
    faults = [(item.origin.path, item.fault) for item in way.items]
    assert faults[:3] == [
        ("good.py", None),
        ("../evil.py", Reason.UNSAFE_MEMBER),
        ("large", Reason.TOO_LARGE),
    ]
    assert faults[3] == ("dist/a-1.0.tar", Reason.UNREADABLE)


def test_a_member_whose_name_hides_something_is_put_on_record_without_its_content(
    way: Doorway,
) -> None:
    names = ("good.py", "a\u202eyp.exe", "C:evil.py", "two\nlines.py")
    sent = chunks("arch", tar(dict.fromkeys(names, b"1")), 1 << 20)
    assert way.play(lambda way: way.send(sent)) == {"arch": Accepted(num_items=4)}
    faults = {item.origin.path: (item.fault, item.content) for item in way.items}
    hidden = (Reason.UNSAFE_MEMBER, None)
    assert faults == {"good.py": (None, b"1"), **dict.fromkeys(names[1:], hidden)}


def test_a_member_whose_name_is_not_utf_8_keeps_its_content(way: Doorway) -> None:
    packed = io.BytesIO()
    with tarfile.open(
        fileobj=packed, mode="w", encoding="latin-1", format=tarfile.GNU_FORMAT
    ) as archive:
        info = tarfile.TarInfo("\xe9t\xe9.py")
        info.size = 1
        archive.addfile(info, io.BytesIO(b"1"))
    sent = chunks("arch", packed.getvalue(), 1 << 20)
    assert way.play(lambda way: way.send(sent)) == {"arch": NEW}
    (item,) = way.items
    assert (item.origin.path, item.content, item.fault) == (r"\xe9t\xe9.py", b"1", None)


def test_a_member_with_an_endless_name_is_put_on_record_with_its_beginning(way: Doorway) -> None:
    sent = chunks("arch", tar({"n" * 10_000: b"1"}), 1 << 20)
    assert way.play(lambda way: way.send(sent)) == {"arch": Accepted(num_items=1)}
    (item,) = way.items
    assert (item.fault, item.content) == (Reason.UNSAFE_MEMBER, None)
    assert item.origin.path == "n" * 4096


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (chunks("k", b"no archive at all"), RefusalReason.ARCHIVE_UNREADABLE),
        (chunks("k", b""), RefusalReason.ARCHIVE_UNREADABLE),
        (chunks("k", tar({})), RefusalReason.ARCHIVE_UNREADABLE),
        (chunks("k", tar(MEMBERS), path="a.rar"), RefusalReason.ARCHIVE_UNREADABLE),
        (chunks("k", tar(MEMBERS), path="../a.tar"), RefusalReason.NAME_UNSAFE),
        (chunks("k", tar(MEMBERS), path=""), RefusalReason.FIELD_MISSING),
        (chunks("", tar(MEMBERS)), RefusalReason.KEY_UNFIT),
        (chunks("k", tar(MEMBERS))[1:], RefusalReason.ARCHIVE_OUT_OF_ORDER),
        (
            [*chunks("k", tar(MEMBERS))[:1], *chunks("k", tar(MEMBERS))[2:]],
            RefusalReason.ARCHIVE_OUT_OF_ORDER,
        ),
        (chunks("k", b"x" * 200_000, 50_000), RefusalReason.TOO_LARGE),
    ],
)
def test_an_archive_that_cannot_be_taken_is_refused_once_and_the_rest_goes_on(
    tmp_path: Path, sent: list[Submission], reason: RefusalReason
) -> None:
    way = narrow(tmp_path, archive_bytes=100_000)
    answers = way.play(lambda way: way.send(sent, [file("behind")]))
    assert answers.pop("behind") == NEW
    (refused,) = answers.values()
    assert isinstance(refused, Refused)
    assert refused.reason is reason
    assert len(way.writer.written) == 1
    assert way.spool.held_bytes == 0


def test_a_second_archive_amid_the_first_is_refused_and_the_first_goes_on(way: Doorway) -> None:
    one, two = chunks("one", tar(MEMBERS)), chunks("two", tar(MEMBERS))
    answers = way.play(lambda way: way.send([*one[:2], *two, *one[2:]]))
    assert answers["one"] == Accepted(num_items=25)
    assert isinstance(answers["two"], Refused)
    assert answers["two"].reason is RefusalReason.ARCHIVE_OUT_OF_ORDER


def test_an_archive_for_which_there_is_no_room_may_come_again_later(tmp_path: Path) -> None:
    async def scene(way: Doorway) -> Any:
        assert way.spool.hold(90_000, "other")
        return await way.send(chunks("k", b"x" * 50_000))

    (refused,) = narrow(tmp_path, archive_bytes=100_000, spool_bytes=100_000).play(scene).values()
    assert refused.reason is RefusalReason.NO_ROOM
    assert refused.retry_after_seconds > 0


def test_a_client_that_finishes_no_archive_leaves_room_to_others(tmp_path: Path) -> None:
    begun = chunks("begun", b"x" * 40_000, 35_000)[:1]

    async def scene(way: Doorway) -> Any:
        async def requests() -> AsyncIterator[bytes]:
            yield encode_submissions(begun)
            await asyncio.Event().wait()

        hostile = submit(way.door, "hostile", requests())
        waiting = asyncio.ensure_future(anext(hostile))
        while not way.spool.held_bytes:
            await asyncio.sleep(0.01)
        second = await way.send(begun, client="hostile")
        other = await way.send(chunks("k", tar(MEMBERS)), client="other")
        waiting.cancel()
        await asyncio.wait({waiting})
        return second["begun"].reason, other

    way = narrow(tmp_path, archive_bytes=45_000, spool_bytes=100_000)
    accepted = {"k": Accepted(num_items=len(MEMBERS))}
    assert way.play(scene) == (RefusalReason.NO_ROOM, accepted)
    assert way.spool.held_bytes == 0


def test_an_archive_that_was_refused_for_want_of_room_may_come_again_in_the_same_stream(
    tmp_path: Path,
) -> None:
    sent = chunks("k", tar(MEMBERS))

    async def scene(way: Doorway) -> Any:
        first = way.settings["spool_bytes"] - 3500  # room for three parts

        async def requests() -> AsyncIterator[bytes]:
            assert way.spool.hold(first, "other")
            yield encode_submissions(sent)
            while way.spool.held_bytes > first:
                await asyncio.sleep(0)
            way.spool.release(first, "other")
            yield encode_submissions(sent)

        stream = submit(way.door, "c", requests())
        return [one.result async for raw in stream for one in decode_receipts(raw)]

    refused, accepted = narrow(tmp_path, archive_bytes=100_000, spool_bytes=100_000).play(scene)
    assert refused.reason is RefusalReason.NO_ROOM
    assert accepted == Accepted(num_items=25)


def test_an_archive_that_is_not_complete_at_the_end_leaves_nothing(
    way: Doorway, tmp_path: Path
) -> None:
    assert way.play(lambda way: way.send(chunks("k", tar(MEMBERS))[:-1])) == {}
    assert way.writer.written == []
    assert way.spool.held_bytes == 0
    assert os.listdir(tmp_path) == []


def test_while_an_archive_is_in_work_its_client_hears_so(
    way: Doorway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submit_stream, "_SIGN_SECONDS", 0.01)

    async def sent() -> AsyncIterator[bytes]:
        yield encode_submissions(chunks("k", tar(MEMBERS), size=1 << 20))

    async def scene(way: Doorway) -> None:
        way.writer.may_write.clear()
        stream = submit(way.door, "c", sent())
        for _ in range(3):
            assert list(decode_receipts(await anext(stream))) == []
        way.writer.may_write.set()
        last = [receipt async for response in stream for receipt in decode_receipts(response)]
        assert [one.result for one in last] == [Accepted(num_items=len(MEMBERS))]

    way.play(scene)
