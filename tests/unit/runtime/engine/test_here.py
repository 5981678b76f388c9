"""Stages in the engine's own process, and the time that they take."""

from collections.abc import Sequence

import pytest

from gristmill.runtime.engine import stopwatch
from gristmill.runtime.engine.here import Here
from gristmill.runtime.model import Document, FileText, Keep, Kind, Origin, Outcome, Position


class Slow:
    """A stage that takes as many seconds of the fake clock as it was told."""

    version = "slow-1"

    def __init__(self, clock: list[float], seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds

    def process(self, batch: Sequence[Document]) -> Sequence[Outcome]:
        self._clock[0] += self._seconds
        return [Keep(document) for document in batch]


def document(number: int) -> Document:
    return Document(
        id=f"d{number}",
        kind=Kind.FILE,
        origin=Origin(source="src", repository="repo", path=f"{number}.py"),
        position=Position(source="s", offset=number),
        body=FileText(content="x = 1\n", encoding="utf-8"),
        content_sha256="0" * 64,
        size_bytes=6,
    )


def test_each_stage_is_charged_with_what_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(stopwatch.time, "thread_time", lambda: clock[0])
    here = Here(1, [("first", Slow(clock, 1.0)), ("second", Slow(clock, 4.0))])
    assert here.spent() == {}
    future = here.submit([document(0), document(1)])
    assert future.done()
    assert [[one.id for one in passage.documents] for passage in future.result()] == [
        ["d0"],
        ["d1"],
    ]
    assert [decision.stage for decision in future.result()[0].decisions] == ["first", "second"]
    clock[0] += 100  # what happens between batches is not theirs
    here.submit([document(2)])
    assert here.spent() == {(1, 0): 3.0, (1, 1): 12.0}
