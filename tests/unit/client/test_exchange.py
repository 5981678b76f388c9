"""A stream is begun again as long as that brings answers, and no longer."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from threading import Event

import pytest

from gristmill.client import CallError, Origin, Retries, Submission
from gristmill.client.exchange import exchange
from gristmill.client.window import Item, Window
from gristmill.runtime.model import BadInput, CrawlItem
from gristmill.runtime.wire import decode_submissions

SILENCE = CallError("UNAVAILABLE", "silence")
QUICK = Retries(attempts=3, first_seconds=0.001, longest_seconds=0.002)


def file(key: str, path: str = "a.py", content: bytes = b"x") -> Submission:
    origin = Origin(source="s", repository="r", path=path)
    return Submission(key, CrawlItem(origin=origin, size_bytes=len(content), content=content))


class Call:
    """A call whose responses are the keys in each request."""

    def __init__(self, requests: Iterator[bytes]) -> None:
        self._requests = requests

    def __iter__(self) -> Iterator[bytes]:
        for request in self._requests:
            for one in decode_submissions(request):
                yield one.key.encode()

    def cancel(self) -> None:
        """Be done."""


class Cutting(Call):
    """A call that cuts the keys in its responses."""

    def __iter__(self) -> Iterator[bytes]:
        for key in super().__iter__():
            yield key[:1]
            raise CallError("UNAVAILABLE", "broken")


class Breaking(Call):
    """A call that breaks after each response."""

    def __iter__(self) -> Iterator[bytes]:
        for key in super().__iter__():
            yield key
            raise CallError("UNAVAILABLE", "broken")


def answers(
    items: Iterable[Item],
    call: Callable[[Iterator[bytes]], object],
    retries: Retries = QUICK,
    timeout_seconds: float = 20,
) -> Iterator[str]:
    window = Window(items, most_items=100, most_bytes=1 << 20)

    def settle(response: bytes) -> Iterator[str]:
        if window.answered(response.decode()):
            yield response.decode()

    return exchange(
        call,
        window,
        settle,
        silence=SILENCE,
        timeout_seconds=timeout_seconds,
        retries=retries,
    )


def test_a_stream_that_breaks_after_each_answer_is_begun_again() -> None:
    keys = [f"k{n}" for n in range(10)]
    told: list[CallError] = []
    assert list(answers(map(file, keys), Breaking, replace(QUICK, told=told.append))) == keys
    assert {str(error) for error in told} == {"UNAVAILABLE: broken"}


def test_a_response_that_settles_nothing_is_no_progress() -> None:
    begun: list[Cutting] = []

    def cut(requests: Iterator[bytes]) -> Cutting:
        begun.append(Cutting(requests))
        return begun[-1]

    with pytest.raises(CallError, match="broken"):
        list(answers([file("key")], cut))
    assert len(begun) == QUICK.attempts


def test_a_response_that_settles_nothing_is_a_sign_of_life() -> None:
    class Slow(Call):
        def __iter__(self) -> Iterator[bytes]:
            for key in super().__iter__():
                for _ in range(3):
                    Event().wait(0.7)
                    yield b""
                yield key

    assert list(answers([file("key")], Slow, timeout_seconds=1.5)) == ["key"]


@pytest.mark.parametrize("key", ["", "k" * 257, "é" * 129, "k\n", "\udcff"], ids=ascii)
def test_a_key_that_no_item_can_bear_is_bad_input_after_the_items_before(key: str) -> None:
    found = answers([file("k1"), file(key)], Call)
    assert next(found) == "k1"
    with pytest.raises(BadInput, match="the key"):
        next(found)
