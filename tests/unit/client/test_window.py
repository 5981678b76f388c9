"""What a submission has in hand: bounded, and sent again where it has no receipt."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gristmill.client import Archive, Origin, Submission, archive_item, file_item
from gristmill.client.items import Batch
from gristmill.client.window import Window
from gristmill.runtime.model import ArchiveChunk, CrawlItem, Refused
from gristmill.runtime.wire import decode_receipts, decode_submissions


def file(number: int, size: int = 10) -> Submission:
    origin = Origin(source="s", repository="r", path=f"f{number}.py")
    return Submission(f"k{number}", CrawlItem(origin=origin, size_bytes=size, content=b"x" * size))


def never(response: bytes) -> None:
    raise AssertionError("everything can be sent")


def keys(request: bytes) -> list[str]:
    return [one.key for one in decode_submissions(request)]


def all_keys(requests: Iterator[bytes]) -> list[str]:
    return [key for request in requests for key in keys(request)]


class Counted:
    """A source that says how far it was taken."""

    def __init__(self, size: int = 10) -> None:
        self.taken = 0
        self._size = size
        self._moved = threading.Event()

    def __iter__(self) -> Iterator[Submission]:
        while True:
            self.taken += 1
            self._moved.set()
            yield file(self.taken, self._size)

    def settle(self) -> int:
        """Return how far it was taken when nothing more is taken for a while."""
        while self._moved.wait(0.2):
            self._moved.clear()
        return self.taken


def test_everything_is_sent_in_order_and_done_when_it_is_answered() -> None:
    window = Window([file(n) for n in range(1200)], most_items=5000, most_bytes=1 << 30)
    sent = all_keys(window.requests(never))
    assert sent == [f"k{n}" for n in range(1200)]
    assert window.silent_seconds() > 0
    assert all(window.answered(key) for key in sent)
    assert window.silent_seconds() == 0
    assert window.is_done()


def test_no_more_is_taken_than_may_be_without_a_receipt() -> None:
    source = Counted()
    window = Window(source, most_items=100, most_bytes=1 << 30)
    requests = window.requests(never)
    sent: list[str] = []
    while len(sent) < 100:
        sent += keys(next(requests))
    assert source.settle() == 101  # the last one waits for its place
    for key in sent[:10]:
        window.answered(key)
    assert source.settle() == 111
    window.close()


def test_no_more_bytes_are_held_than_may_be() -> None:
    source = Counted(size=10_000)
    window = Window(source, most_items=1000, most_bytes=100_000)
    assert source.settle() <= 12
    window.close()


def test_an_item_above_the_bound_is_sent_alone() -> None:
    window = Window([file(1, 5000), file(2, 5000)], most_items=10, most_bytes=100)
    requests = window.requests(never)
    assert keys(next(requests)) == ["k1"]
    window.answered("k1")
    assert keys(next(requests)) == ["k2"]


def test_a_new_stream_sends_first_what_has_no_receipt_and_the_old_one_ends() -> None:
    window = Window([file(n) for n in range(1200)], most_items=5000, most_bytes=1 << 30)
    first = window.requests(never)
    sent = keys(next(first))
    for key in sent[::2]:
        window.answered(key)
    second = window.requests(never)
    assert list(first) == []
    again = all_keys(second)
    assert again[: len(sent) // 2] == sent[1::2]
    assert sorted(again + sent[::2]) == sorted(f"k{n}" for n in range(1200))
    assert window.num_resent == len(sent) // 2


def test_a_receipt_that_nobody_waits_for_is_told_apart() -> None:
    window = Window([file(1)], most_items=10, most_bytes=1000)
    list(window.requests(never))
    assert not window.answered("other")
    assert window.answered("k1")
    assert not window.answered("k1")


def test_one_key_twice_waits_for_two_receipts() -> None:
    window = Window([file(1), file(1)], most_items=10, most_bytes=10_000)
    list(window.requests(never))
    assert window.answered("k1")
    assert not window.is_done()
    assert window.answered("k1")
    assert window.is_done()


def test_what_is_put_off_is_sent_again_when_its_time_has_come() -> None:
    window = Window([file(1), file(2)], most_items=10, most_bytes=10_000)
    requests = window.requests(never)
    assert keys(next(requests)) == ["k1", "k2"]
    assert window.postpone("k1", 0.05, most=1)
    assert window.answered("k2")
    assert not window.is_done()
    assert window.silent_seconds() == 0
    assert all_keys(requests) == ["k1"]
    assert not window.postpone("k1", 0.05, most=1)  # that is its answer, then
    assert window.answered("k1")
    assert window.is_done()


def test_what_is_put_off_at_the_end_goes_with_the_next_stream_and_keeps_its_place() -> None:
    source = Counted()
    window = Window(source, most_items=3, most_bytes=10_000)
    assert len(keys(next(window.requests(never)))) <= 3
    assert source.settle() == 4
    assert window.postpone("k1", 0.0, most=1)
    assert source.settle() == 4
    assert "k1" in keys(next(window.requests(never)))
    window.close()
    last = Window([file(1)], most_items=10, most_bytes=10_000)
    assert all_keys(last.requests(never)) == ["k1"]
    assert last.rest_seconds() is None
    assert last.postpone("k1", 1000.0, most=1)
    assert 900 < (last.rest_seconds() or 0) <= 1000


def test_batches_are_sent_as_they_are_one_by_one() -> None:
    batches = [Batch(str(n), b"%d" % n) for n in range(3)]
    window = Window(batches, most_items=10, most_bytes=10_000)
    assert list(window.requests(never)) == [b"0", b"1", b"2"]
    assert window.answered("0")
    assert list(window.requests(never)) == [b"1", b"2"]


def test_what_a_source_raises_is_kept_and_ends_it() -> None:
    def broken() -> Iterator[Submission]:
        yield file(1)
        raise OSError("gone")

    window = Window(broken(), most_items=10, most_bytes=10_000)
    assert all_keys(window.requests(never)) == ["k1"]
    assert isinstance(window.error, OSError)


@pytest.mark.parametrize("size", [0, 1, 512 << 10, (512 << 10) + 1, 2_000_000])
def test_an_archive_is_sent_in_parts_that_give_it_back(tmp_path: Path, size: int) -> None:
    content = bytes(range(256)) * (size // 256) + b"\1" * (size % 256)
    (tmp_path / "a.tar").write_bytes(content)
    item = archive_item(str(tmp_path / "a.tar"), Origin(source="s", repository="r", path="a.tar"))
    assert isinstance(item, Archive)
    window = Window([item], most_items=10, most_bytes=10_000)
    sent = [one for request in window.requests(never) for one in decode_submissions(request)]
    bodies = [one.body for one in sent if isinstance(one, Submission)]
    assert all(isinstance(body, ArchiveChunk) for body in bodies)
    chunks = [body for body in bodies if isinstance(body, ArchiveChunk)]
    assert b"".join(chunk.data for chunk in chunks) == content
    assert [chunk.last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert [chunk.origin is not None for chunk in chunks] == [True] + [False] * (len(chunks) - 1)


def test_keys_tell_place_and_content_apart_and_nothing_else() -> None:
    place = Origin(source="s", repository="r", path="a.py")
    elsewhere = Origin(source="s", repository="r", path="b.py")
    one = file_item(b"1", place)
    assert one.key == file_item(b"1", Origin(source="t", repository="r", path="a.py")).key
    assert len({one.key, file_item(b"2", place).key, file_item(b"1", elsewhere).key}) == 3


def refused(items: list[Submission | Archive], most_request_bytes: int) -> tuple[list[str], str]:
    """The keys that are sent, and the one refusal."""
    answered: list[bytes] = []
    window = Window(
        items, most_items=100, most_bytes=1 << 30, most_request_bytes=most_request_bytes
    )
    sent = all_keys(window.requests(answered.append))
    assert window.error is None
    ((receipt,),) = map(decode_receipts, answered)
    assert isinstance(receipt.result, Refused)
    assert window.answered(receipt.key)
    return sent, f"{receipt.key} {receipt.result.reason} {receipt.result.detail}"


def test_an_item_that_no_message_can_hold_is_refused_and_the_others_are_sent() -> None:
    sent, told = refused([file(1), file(2, 5000), file(3)], 4000)
    assert sent == ["k1", "k3"]
    assert re.fullmatch(r"k2 too_large 50\d\d bytes; requests may have 4000", told)


def test_items_that_are_too_much_together_are_sent_one_by_one() -> None:
    window = Window(
        [file(n, 1000) for n in range(5)], most_items=10, most_bytes=9999, most_request_bytes=1500
    )
    assert [keys(request) for request in window.requests(never)] == [[f"k{n}"] for n in range(5)]


def test_a_text_that_utf_8_cannot_express_is_refused_and_the_others_are_sent(
    tmp_path: Path,
) -> None:
    origin = Origin(source="s", repository="r", path="\udcff.tar")
    hostile = Submission("bad", CrawlItem(origin=origin, size_bytes=1, content=b"x"))
    (tmp_path / "a.tar").write_bytes(bytes(2000))
    for item in (hostile, Archive("bad", origin, str(tmp_path / "a.tar"))):
        sent, told = refused([file(1), item, file(2)], 4000)
        assert sent == ["k1", "k2"]
        assert told.startswith("bad field_unfit ")
        assert "surrogate" in told


def test_an_archive_that_vanished_ends_the_stream_and_is_the_callers_to_learn(
    tmp_path: Path,
) -> None:
    gone = Archive("gone", Origin(source="s", repository="r"), str(tmp_path / "gone.tar"))
    window = Window([file(1), gone, file(2)], most_items=10, most_bytes=1 << 30)
    assert set(all_keys(window.requests(never))) <= {"k1", "k2"}
    assert isinstance(window.error, FileNotFoundError)
    window.close()


def test_each_part_of_an_archive_that_goes_is_a_sign_of_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.tar").write_bytes(b"x" * 2_000_000)
    item = archive_item(str(tmp_path / "a.tar"), Origin(source="s", repository="r", path="a.tar"))
    clock = [0.0]
    monkeypatch.setattr("gristmill.client.window.time.monotonic", lambda: clock[0])
    window = Window([item], most_items=10, most_bytes=10_000)
    requests = window.requests(never)
    next(requests)
    for _ in requests:
        assert window.silent_seconds() == 0
        clock[0] += 50  # it takes its time
