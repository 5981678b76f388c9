"""The front door: what is acknowledged is in the log, once; what is not says why."""

import asyncio
import tarfile
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from door import MAX_FILE_BYTES, Doorway, MemoryWriter, chunks, file, origin, tar
from hypothesis import given
from hypothesis import strategies as st

from gristmill.runtime.adapters.archive_spool import SpooledArchive
from gristmill.runtime.adapters.blobs import FileBlobStore, MemoryBlobStore, blob_reference
from gristmill.runtime.adapters.clock import SystemClock
from gristmill.runtime.adapters.files import text_path
from gristmill.runtime.engine.envelope import CRAWL_TOPIC, INLINE_BYTES
from gristmill.runtime.model import (
    Accepted,
    BlobReference,
    CrawlItem,
    Fatal,
    Origin,
    Poison,
    Reason,
    RefusalReason,
    Refused,
    Submission,
    Transient,
)
from gristmill.runtime.model.document import sha256_hex
from gristmill.runtime.wire.generated.gristmill.ingestion.v1 import ingestion_pb2 as pb

NEW, KNOWN = Accepted(num_items=1), Accepted(num_items=1, known_before=True)


@pytest.fixture
def way(tmp_path: Path) -> Doorway:
    return Doorway(str(tmp_path))


def reasons(answers: dict[str, Accepted | Refused]) -> dict[str, RefusalReason | None]:
    return {key: one.reason if isinstance(one, Refused) else None for key, one in answers.items()}


def test_an_accepted_file_is_the_record_that_a_feed_writes(way: Doorway) -> None:
    assert way.play(lambda way: way.send([file("a", b"x = 1\n")])) == {"a": NEW}
    (message,) = way.writer.written
    assert message.topic == CRAWL_TOPIC
    assert message.key == sha256_hex(b"x = 1\n").encode()
    assert dict(message.headers) == {
        "schema": b"gristmill.v1.CrawlItem", "kind": b"file", "bytes": b"6",
    }  # fmt: skip
    assert way.items == [file("a", b"x = 1\n").body]


def test_a_receipt_comes_only_after_the_log_has_the_record(way: Doorway) -> None:
    async def scene(way: Doorway) -> None:
        way.writer.may_write.clear()
        receipts = way.receipts([file("a")])
        first = asyncio.ensure_future(anext(receipts))
        assert not (await asyncio.wait({first}, timeout=0.1))[0]
        way.writer.may_write.set()
        assert (await first).result == NEW
        assert len(way.writer.written) == 1

    way.play(scene)


def test_a_key_sent_again_with_the_same_content_adds_nothing(way: Doorway) -> None:
    async def scene(way: Doorway) -> list[Any]:
        return [
            await way.send([file("a"), file("b")]),
            await way.send([file("b"), file("a"), file("c")]),
        ]

    first, second = way.play(scene)
    assert first == {"a": NEW, "b": NEW}
    assert second == {"b": KNOWN, "a": KNOWN, "c": NEW}
    assert len(way.writer.written) == 3


def test_a_key_sent_again_with_other_content_or_place_is_refused(way: Doorway) -> None:
    async def scene(way: Doorway) -> Any:
        await way.send([file("a"), file("b")])
        return await way.send([file("a", b"b = 2\n"), file("b", path="elsewhere.py")])

    assert set(reasons(way.play(scene)).values()) == {RefusalReason.KEY_REUSED}
    assert len(way.writer.written) == 2


def test_clients_have_their_own_keys(way: Doorway) -> None:
    async def scene(way: Doorway) -> Any:
        await way.send([file("a", b"1")], client="one")
        return await way.send([file("a", b"2")], client="two")

    assert way.play(scene) == {"a": NEW}


def test_one_key_in_many_streams_at_once_is_written_once(way: Doorway) -> None:
    async def scene(way: Doorway) -> list[Any]:
        way.writer.may_write.clear()
        streams = [asyncio.ensure_future(way.send([file("a"), file(f"{n}")])) for n in range(5)]
        await asyncio.sleep(0.05)
        way.writer.may_write.set()
        return [answers["a"] for answers in await asyncio.gather(*streams)]

    assert Counter(way.play(scene)) == Counter({NEW: 1, KNOWN: 4})
    assert len(way.writer.written) == 6


def test_one_key_twice_in_a_request_is_written_once_and_the_first_counts(way: Doorway) -> None:
    async def scene(way: Doorway) -> list[Any]:
        sent = [file("a", b"1"), file("a", b"1", path="a.py"), file("a", b"2")]
        return [one.result async for one in way.receipts(sent)]

    answers = way.play(scene)
    assert Counter(answers)[NEW] == Counter(answers)[KNOWN] == 1
    assert sum(isinstance(one, Refused) for one in answers) == 1
    assert [item.content for item in way.items] == [b"1"]


def test_one_key_many_times_in_a_request_is_judged_at_one_go(way: Doorway) -> None:
    """The first that can be taken is written; a round for each of them would be quadratic."""
    asked = []
    get = way.keys.get
    way.keys.get = lambda keys: asked.append(len(keys)) or get(keys)  # type: ignore[method-assign,func-returns-value]

    async def scene(way: Doorway) -> list[Any]:
        sent = [file("a", path="../a.py"), *[file("a", b"1", path="a.py")] * 2000]
        return [one.result async for one in way.receipts(sent)]

    first, *others = way.play(scene)
    assert isinstance(first, Refused)
    assert Counter(others) == Counter({NEW: 1, KNOWN: 1999})
    assert asked == [1]
    assert len(way.writer.written) == 1


def test_a_key_that_is_too_long_comes_back_short_whatever_is_wrong_with_its_item(
    way: Doorway,
) -> None:
    key = "k" * 100_000
    items = [
        pb.Item(key=key),
        pb.Item(key=key, warc=pb.WarcRange()),
        pb.Item(key=key, archive=pb.ArchiveChunk(last=True)),
        pb.Item(key=key, unread=pb.UnreadFile(origin={"path": "a"}, fault=999)),
        pb.Item(key=key, file=pb.File(origin={"path": "a.py"}, content=b"x")),
    ]
    request = pb.SubmitRequest(items=items).SerializeToString()

    async def scene(way: Doorway) -> list[Any]:
        return [one async for one in way.receipts(request)]

    receipts = way.play(scene)
    assert [one.key for one in receipts] == ["k" * 256] * 5
    assert all(isinstance(one.result, Refused) for one in receipts)


def test_a_log_that_fails_ends_the_stream_and_the_same_can_be_sent_again(way: Doorway) -> None:
    async def scene(way: Doorway) -> Any:
        way.writer.fails_before = 1
        with pytest.raises(Transient, match="the log is out"):
            await way.send([file("a")])
        return await way.send([file("a")])

    assert way.play(scene) == {"a": NEW}
    assert len(way.writer.written) == 1


def test_what_nobody_knows_of_is_not_acknowledged_and_may_be_written_twice(way: Doorway) -> None:
    async def scene(way: Doorway) -> Any:
        way.writer.fails_behind = 1
        with pytest.raises(Transient):
            await way.send([file("a")])
        return await way.send([file("a")])

    assert way.play(scene) == {"a": NEW}
    assert len(way.writer.written) == 2  # dedup calls the second one resubmitted


def test_keys_are_remembered_across_a_restart_of_the_door(way: Doorway) -> None:
    way.play(lambda way: way.send([file("a")]))
    assert way.play(lambda way: way.send([file("a")])) == {"a": KNOWN}


def test_a_new_log_has_none_of_what_another_one_took(way: Doorway) -> None:
    archive = tar({"m.py": b"1", "n.py": b"2"})

    async def scene(way: Doorway) -> Any:
        answers = await way.send([file("a"), *chunks("arch", archive)])
        return answers, await way.door.known("c", ["a", "arch"])

    new = {"a": NEW, "arch": Accepted(num_items=2)}
    assert way.play(scene) == (new, [True, True])
    way.identity = lambda: "another log"
    assert way.play(lambda way: way.door.known("c", ["a", "arch"])) == [False, False]
    assert way.play(scene) == (new, [True, True])
    assert len(way.writer.written) == 6


def test_a_log_is_asked_who_it_is_after_a_minute_or_a_failed_write(way: Doorway) -> None:
    asked = []

    def identity() -> str:
        asked.append(1)
        return f"log {len(asked)}"

    way.identity = identity

    async def scene(way: Doorway) -> None:
        await asyncio.gather(*(way.send([file(f"{n}")]) for n in range(5)))
        assert await way.send([file("0")]) == {"0": KNOWN}
        assert len(asked) == 1
        way.writer.fails_before = 1
        with pytest.raises(Transient):
            await way.send([file("a")])
        assert await way.send([file("0")]) == {"0": NEW}
        assert len(asked) == 2
        way.clock.seconds += 61
        assert await way.send([file("0")]) == {"0": NEW}
        assert len(asked) == 3

    way.play(scene)


def test_a_log_that_does_not_say_who_it_is_ends_the_stream_and_is_asked_again(
    way: Doorway,
) -> None:
    async def scene(way: Doorway) -> None:
        way.door.log_identity = mock.Mock(side_effect=Transient("Kafka does not answer"))
        with pytest.raises(Transient, match="Kafka does not answer"):
            await way.send([file("a")])
        assert way.door.is_cut_off
        way.door.log_identity = way.identity
        assert await way.send([file("a")]) == {"a": NEW}

    way.play(scene)


def test_receipts_that_were_known_come_before_the_error_that_ends_a_stream(way: Doorway) -> None:
    seen = []

    async def scene(way: Doorway) -> None:
        async for receipt in way.receipts([file("a")], b"\xff no message"):
            seen.append(receipt.key)

    with pytest.raises(Poison, match="SubmitRequest"):
        way.play(scene)
    assert seen == ["a"]


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (file(""), RefusalReason.KEY_UNFIT),
        (file("k" * 257, path="a.py"), RefusalReason.KEY_UNFIT),
        (file("k\n", path="a.py"), RefusalReason.KEY_UNFIT),
        (file("k", path=""), RefusalReason.FIELD_MISSING),
        (file("k", path="/etc/passwd"), RefusalReason.NAME_UNSAFE),
        (file("k", path="C:\\a.py"), RefusalReason.NAME_UNSAFE),
        (file("k", path="\\\\host\\a.py"), RefusalReason.NAME_UNSAFE),
        (file("k", path="a/../../b.py"), RefusalReason.NAME_UNSAFE),
        (file("k", path="a\\..\\b.py"), RefusalReason.NAME_UNSAFE),
        (file("k", path="a\0.py"), RefusalReason.NAME_UNSAFE),
        (file("k", path="a\x1b[2J.py"), RefusalReason.NAME_UNSAFE),
        (file("k", path="C:a.py"), RefusalReason.NAME_UNSAFE),
        (file("k", path="\\windows\\a.py"), RefusalReason.NAME_UNSAFE),
        (file("k", path="\\x41\\a.py"), RefusalReason.NAME_UNSAFE),
        (file("k", path="\\xE9.py"), RefusalReason.NAME_UNSAFE),
        (file("k", path="\\xe9\\..\\..\\a.py"), RefusalReason.NAME_UNSAFE),
        (file("k", path="a\u202eyp.exe"), RefusalReason.NAME_UNSAFE),
        (file("k", path="a\u2028.py"), RefusalReason.NAME_UNSAFE),
        (file("k", path="a\u200b.py"), RefusalReason.NAME_UNSAFE),
        (file("k", path="a\xad.py"), RefusalReason.NAME_UNSAFE),
        (file("k", path="a\u2063.py"), RefusalReason.NAME_UNSAFE),
        (file("k", path="a\u3164.py"), RefusalReason.NAME_UNSAFE),
        (file("k", path="a\U0001bca0.py"), RefusalReason.NAME_UNSAFE),
        (file("k", path="a\U0001d17a.py"), RefusalReason.NAME_UNSAFE),
        (file("k", path="a\U000e0041.py"), RefusalReason.NAME_UNSAFE),
        (file("k", repository="/etc"), RefusalReason.NAME_UNSAFE),
        (file("k", repository="x\ny"), RefusalReason.NAME_UNSAFE),
        (file("k", repository="../../etc"), RefusalReason.NAME_UNSAFE),
        (file("k", path="a" * 4097), RefusalReason.NAME_TOO_LONG),
        (file("k", path="ü" * 2049), RefusalReason.NAME_TOO_LONG),
        (file("k", licence="a" * 4097), RefusalReason.NAME_TOO_LONG),
        (file("k", b"x" * (MAX_FILE_BYTES + 1)), RefusalReason.TOO_LARGE),
        (
            Submission("k", CrawlItem(origin=origin(), size_bytes=1, fault=Reason.BLOCKED)),
            RefusalReason.FIELD_UNFIT,
        ),
    ],
)
def test_what_cannot_be_taken_is_refused_and_the_rest_goes_on(
    way: Doorway, item: Submission, reason: RefusalReason
) -> None:
    answers = way.play(lambda way: way.send([file("before"), item], [file("behind")]))
    assert (answers.pop("before"), answers.pop("behind")) == (NEW, NEW)
    assert reasons(answers) == {item.key[:256]: reason}
    assert len(way.writer.written) == 2


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (pb.Item(key="k"), RefusalReason.FIELD_MISSING),
        (pb.Item(key="k", file=pb.File(content=b"x")), RefusalReason.FIELD_MISSING),
        (pb.Item(key="k", blob=pb.BlobItem(origin={"path": "a"})), RefusalReason.FIELD_MISSING),
        (pb.Item(key="k", archive=pb.ArchiveChunk(last=True)), RefusalReason.FIELD_MISSING),
        (pb.Item(key="k", warc=pb.WarcRange()), RefusalReason.NOT_SUPPORTED),
        (pb.Item(key="k", unread=pb.UnreadFile(origin={"path": "a"})), RefusalReason.FIELD_MISSING),
        (
            pb.Item(key="k", unread=pb.UnreadFile(origin={"path": "a"}, fault=999)),
            RefusalReason.FIELD_UNFIT,
        ),
        (
            pb.Item(key="k", unread=pb.UnreadFile(origin={"path": "a"}, fault=1, size_bytes=-1)),
            RefusalReason.FIELD_UNFIT,
        ),
        (
            pb.Item(
                key="k",
                file=pb.File(origin={"path": "a", "fetched_at": {"nanos": -1}}),  # type: ignore[arg-type]
            ),
            RefusalReason.FIELD_UNFIT,
        ),
    ],
)
def test_items_that_are_not_whole_are_refused_and_the_rest_goes_on(
    way: Doorway, item: pb.Item, reason: RefusalReason
) -> None:
    whole = pb.Item(key="whole", file=pb.File(origin={"path": "a.py"}, content=b"x"))
    request = pb.SubmitRequest(items=[item, whole]).SerializeToString()
    assert reasons(way.play(lambda way: way.send(request))) == {"k": reason, "whole": None}


def test_a_file_that_was_not_read_is_put_on_record_wherever_it_points(way: Doorway) -> None:
    unread = CrawlItem(
        origin=origin("../evil.py"), size_bytes=9, fault=Reason.UNSAFE_MEMBER, detail="a link"
    )
    assert way.play(lambda way: way.send([Submission("k", unread)])) == {"k": NEW}
    assert way.items == [unread]


def test_a_name_that_is_not_utf_8_is_no_absolute_path(way: Doorway) -> None:
    named = origin(text_path(b"\xe9t\xe9.py"), repository=text_path(b"\xe9cole"))
    item = CrawlItem(origin=named, size_bytes=1, content=b"1")
    assert way.play(lambda way: way.send([Submission("k", item)])) == {"k": NEW}
    assert way.items == [item]


def test_an_empty_file_is_a_file(way: Doorway) -> None:
    assert way.play(lambda way: way.send([file("a", b"")])) == {"a": NEW}
    assert way.items[0].content == b""


def test_a_large_content_goes_to_the_blob_store_before_its_record(way: Doorway) -> None:
    content = b"x" * (INLINE_BYTES + 1)
    assert way.play(lambda way: way.send([file("a", content)])) == {"a": NEW}
    (item,) = way.items
    assert item.content is None
    assert item.blob is not None
    assert way.blobs.get(item.blob) == content


def test_a_reference_is_accepted_where_the_blob_is_what_it_describes(way: Doorway) -> None:
    async def scene(way: Doorway) -> Any:
        now = way.door.clock.now().date()
        there = blob_reference(b"here", now)
        way.blobs.put(there, b"here")
        wrong = BlobReference(key=there.key, sha256=there.sha256, size_bytes=5)
        gone = blob_reference(b"gone", now)
        odd = BlobReference(key="../../etc", sha256="aa", size_bytes=1)
        return await way.send(
            [
                Submission(name, CrawlItem(origin=origin(), size_bytes=one.size_bytes, blob=one))
                for name, one in {"ok": there, "wrong": wrong, "gone": gone, "odd": odd}.items()
            ]
        )

    assert reasons(way.play(scene)) == {
        "ok": None, **dict.fromkeys(["wrong", "gone", "odd"], RefusalReason.BLOB_UNKNOWN),
    }  # fmt: skip
    assert [item.blob is not None for item in way.items] == [True]


def test_a_reference_into_a_store_that_is_not_there_yet_is_refused_and_the_rest_goes_on(
    tmp_path: Path,
) -> None:
    way = Doorway(str(tmp_path), blobs=FileBlobStore(str(tmp_path / "none")))

    async def scene(way: Doorway) -> Any:
        there = blob_reference(b"here", way.door.clock.now().date())
        blob = Submission("blob", CrawlItem(origin=origin(), size_bytes=4, blob=there))
        return await way.send([file("a"), blob], [file("b")])

    answers = way.play(scene)
    assert reasons(answers) == {"a": None, "blob": RefusalReason.BLOB_UNKNOWN, "b": None}
    assert str(tmp_path) not in answers["blob"].detail


def test_a_door_is_cut_off_for_a_while_when_the_blob_store_fails(way: Doorway) -> None:
    async def scene(way: Doorway) -> None:
        assert isinstance(way.blobs, MemoryBlobStore)
        way.blobs.silent = True
        with pytest.raises(Transient, match="blob store"):
            await way.send([file("a", b"x" * (INLINE_BYTES + 1))])
        assert way.door.is_cut_off
        way.clock.seconds += 9.9
        assert way.door.is_cut_off
        way.clock.seconds += 0.1
        assert not way.door.is_cut_off

    way.play(scene)


def test_a_door_is_cut_off_when_the_keys_fail(way: Doorway) -> None:
    async def scene(way: Doorway) -> None:
        with (
            mock.patch.object(way.keys, "get", side_effect=Fatal("the keys fail")),
            pytest.raises(Fatal, match="the keys fail"),
        ):
            await way.send([file("a")])
        assert way.door.is_cut_off

    way.play(scene)


def test_a_door_is_cut_off_when_the_disk_of_archives_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    async def scene(way: Doorway) -> None:
        with pytest.raises(Transient, match="the disk of archives"):
            await way.send(chunks("k", b"x"))
        assert way.door.is_cut_off

    Doorway(str(tmp_path / "file")).play(scene)


def test_a_bad_reference_cuts_no_door_off(tmp_path: Path) -> None:
    async def scene(way: Doorway) -> None:
        gone = blob_reference(b"gone", way.door.clock.now().date())
        item = Submission("k", CrawlItem(origin=origin(), size_bytes=4, blob=gone))
        answers = await way.send([item])
        assert reasons(answers) == {"k": RefusalReason.BLOB_UNKNOWN}
        assert not way.door.is_cut_off

    for blobs in (MemoryBlobStore(), FileBlobStore(str(tmp_path / "none"))):
        Doorway(str(tmp_path), blobs=blobs).play(scene)


def blob(key: str, reference: BlobReference) -> Submission:
    found = origin(f"{key}.py")
    return Submission(key, CrawlItem(origin=found, size_bytes=reference.size_bytes, blob=reference))


class _Held(MemoryBlobStore):
    """A blob store that gives one of its blobs only when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.may_give = threading.Event()
        self.num_waiting = 0

    def get(self, reference: BlobReference) -> bytes:
        data = super().get(reference)
        if data == b"slow" and not self.may_give.is_set():
            self.num_waiting += 1
            assert self.may_give.wait(20)
        return data


def test_a_client_that_waits_for_the_blob_store_leaves_threads_to_others(tmp_path: Path) -> None:
    blobs = _Held()
    slow, quick = (blob_reference(data, SystemClock().now().date()) for data in (b"slow", b"quick"))
    blobs.put(slow, b"slow")
    blobs.put(quick, b"quick")

    async def scene(way: Doorway) -> None:
        streams = [
            asyncio.ensure_future(way.send([blob(f"{n}-{m}", slow) for m in range(50)]))
            for n in range(10)
        ]
        while blobs.num_waiting < 4:
            await asyncio.sleep(0.01)
        assert await way.send([file("small")], client="other") == {"small": NEW}
        assert await way.send([blob("large", quick)], client="other") == {"large": NEW}
        assert blobs.num_waiting == 4
        blobs.may_give.set()
        for stream in streams:
            assert set((await stream).values()) == {NEW}

    Doorway(str(tmp_path), blobs=blobs).play(scene)


def test_one_key_many_times_is_written_once_though_the_blob_store_is_asked_in_parts(
    way: Doorway,
) -> None:
    async def scene(way: Doorway) -> list[Any]:
        there = blob_reference(b"1", way.door.clock.now().date())
        way.blobs.put(there, b"1")
        sent = [*[blob("a", there)] * 50, blob("b", there), file("a", b"1"), blob("a", there)]
        return [one.result async for one in way.receipts(sent)]

    assert Counter(way.play(scene)) == Counter({NEW: 2, KNOWN: 51})
    assert len(way.writer.written) == 2


def test_the_same_bytes_inline_and_by_reference_are_the_same_item(way: Doorway) -> None:
    async def scene(way: Doorway) -> Any:
        there = blob_reference(b"a = 1\n", way.door.clock.now().date())
        way.blobs.put(there, b"a = 1\n")
        await way.send([file("a")])
        return await way.send(
            [Submission("a", CrawlItem(origin=origin(), size_bytes=6, blob=there))]
        )

    assert way.play(scene) == {"a": KNOWN}


def test_batches_form_while_one_is_on_its_way(way: Doorway) -> None:
    async def scene(way: Doorway) -> None:
        way.writer.may_write.clear()
        streams = [asyncio.ensure_future(way.send([file(f"{n}")])) for n in range(200)]
        await asyncio.sleep(0.2)
        way.writer.may_write.set()
        await asyncio.gather(*streams)

    way.play(scene)
    assert sum(way.writer.batches) == 200
    assert len(way.writer.batches) < 20


def test_while_a_hostile_archive_is_read_others_are_answered(way: Doorway) -> None:
    folder = tarfile.TarInfo("d")
    folder.type = tarfile.DIRTYPE
    packed = folder.tobuf() * 15_000  # read in one go: no member of it is a file
    is_answered = threading.Event()

    async def scene(way: Doorway) -> Any:
        spooled = way.spool.begin("a.tar", "hostile")
        assert spooled.append(packed)

        def read(origin: Origin) -> Iterator[CrawlItem]:
            assert is_answered.wait(60), "others wait for the archive"
            yield from SpooledArchive.items(spooled, origin)

        with mock.patch.object(spooled, "items", read):
            hostile = asyncio.ensure_future(
                way.door.accept_archive("hostile", "k", origin("a.tar"), spooled)
            )
            for number in range(10):
                assert await way.send([file(f"{number}")]) == {f"{number}": NEW}
            assert not hostile.done()
            is_answered.set()
            result = (await hostile).result
        spooled.close()
        return result

    result = way.play(scene)
    assert result.reason is RefusalReason.ARCHIVE_UNREADABLE


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 2), st.sampled_from(["one", "two"])),
        max_size=30,
    ),
    st.sets(st.integers(0, 20)),
    st.integers(1, 4),
)
def test_whatever_is_sent_again_and_fails_each_accepted_key_is_written_with_one_content(
    tmp_path_factory: pytest.TempPathFactory,
    sent: list[tuple[int, int, str]],
    failing: set[int],
    per_request: int,
) -> None:
    way = Doorway(str(tmp_path_factory.getbasetemp()), writer=_Failing(failing))
    accepted: dict[tuple[str, str], bytes] = {}

    async def scene(way: Doorway) -> None:
        for begin in range(0, len(sent), per_request):
            for client in ("one", "two"):
                part = [
                    file(f"k{key}", b"%d %d %s" % (key, content, client.encode()))
                    for key, content, who in sent[begin : begin + per_request]
                    if who == client
                ]
                try:
                    receipts = [one async for one in way.receipts(part, client=client)]
                except Transient:
                    continue
                assert sorted(one.key for one in receipts) == sorted(one.key for one in part)
                for one in receipts:
                    name = (client, one.key)
                    if isinstance(one.result, Accepted) and not one.result.known_before:
                        assert name not in accepted
                        accepted[name] = b""

    way.play(scene)
    per_key = Counter((item.origin.path, item.content) for item in way.items)
    named = {f"{key}.py" for _, key in accepted}
    assert named <= {path for path, _ in per_key}
    # Only a write whose fate nobody knew is written again.
    assert sum(per_key.values()) <= len(accepted) + way.writer.lost  # type: ignore[attr-defined]


class _Failing(MemoryWriter):
    """Fails at the given writes, in turn before and behind them."""

    def __init__(self, failing: set[int]) -> None:
        super().__init__()
        self._failing = failing
        self._turn = 0
        self.lost = 0

    def write(self, messages: Any) -> None:
        self._turn += 1
        if self._turn in self._failing and self._turn % 2:
            raise Transient("before")
        super().write(messages)
        if self._turn in self._failing:
            self.lost += len(messages)
            raise Transient("behind")
