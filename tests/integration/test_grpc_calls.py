"""Calls over a real socket: each failure has its status, and leaves nothing behind."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_served import (
    Gate,
    Served,
    details,
    error_info,
    nothing_left,
    num_descriptors,
    until,
)

from gristmill.runtime.adapters.grpc_batches import Places
from gristmill.runtime.model import (
    BadInput,
    Fatal,
    Overloaded,
    Poison,
    Reason,
    Stale,
    TooLate,
    Transient,
    Unfit,
)
from gristmill.runtime.wire.generated.gristmill.v1 import info_pb2, info_pb2_grpc

SERVICE = "/gristmill.quality.v1.QualityService/"
Code = grpc.StatusCode


@pytest.fixture
def served() -> Iterator[Served]:
    settings = {"SERVE_MAX_BATCHES": "3", "SERVE_MAX_MESSAGE_BYTES": "100000"}
    with Served("quality", settings) as made, nothing_left(made):
        yield made


@pytest.fixture
def gate(served: Served) -> Iterator[Gate]:
    made = Gate()
    served.api._calls["Score"].judge = made
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def channel(served: Served) -> Iterator[Any]:
    with served.channel() as made:
        yield made


def score(channel: Any) -> Any:
    return channel.unary_unary(SERVICE + "Score")


def score_stream(channel: Any) -> Any:
    return channel.stream_stream(SERVICE + "ScoreStream")


def failure(call: Callable[[], Any]) -> Any:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value


def test_a_call_is_answered_and_counted(served: Served, gate: Gate, channel: Any) -> None:
    gate.open.set()
    assert score(channel)(b"abc", timeout=20) == b"abc"
    assert list(score_stream(channel)(iter([b"a", b"", b"c"]), timeout=20)) == [b"a", b"", b"c"]
    until(lambda: served.counted("QualityService.ScoreStream") == {"OK": 1})
    assert served.counted("QualityService.Score") == {"OK": 1}


def test_before_the_stage_is_ready_calls_may_be_tried_again(channel: Any) -> None:
    for call in (
        lambda: score(channel)(b"", timeout=20),
        lambda: list(score_stream(channel)(iter([b""]), timeout=20)),
    ):
        error = failure(call)
        assert error.code() == Code.UNAVAILABLE
        (retry,) = details(error)
        assert isinstance(retry, error_details_pb2.RetryInfo)
        assert retry.retry_delay.ToTimedelta().total_seconds() > 0


def test_an_unknown_method_is_unimplemented(channel: Any) -> None:
    error = failure(lambda: channel.unary_unary(SERVICE + "Guess")(b"", timeout=20))
    assert error.code() == Code.UNIMPLEMENTED


def test_what_is_no_message_names_the_request(served: Served, channel: Any) -> None:
    served.api.answer_in_workers("quality-test", 1, whole=True)
    for data in (b"\xff\xff\xff", b"\x0a\x7f", b"\x0b\x0a"):
        error = failure(lambda data=data: score(channel)(data, timeout=60))
        assert error.code() == Code.INVALID_ARGUMENT
        (bad,) = details(error)
        assert [one.field for one in bad.field_violations] == [""]


def test_a_message_that_is_too_large_is_refused(served: Served, gate: Gate, channel: Any) -> None:
    gate.open.set()
    assert failure(lambda: score(channel)(b"x" * 100_001, timeout=20)).code() == (
        Code.RESOURCE_EXHAUSTED
    )
    assert len(score(channel)(b"x" * 100_000, timeout=20)) == 100_000


@pytest.mark.parametrize(
    ("raised", "code", "reason"),
    [
        (KeyError("a secret"), Code.INTERNAL, "INTERNAL"),
        (Fatal("a secret"), Code.INTERNAL, "FATAL"),
        (BadInput("no such table"), Code.FAILED_PRECONDITION, "BAD_INPUT"),
        (Stale("others were first"), Code.ABORTED, "STALE"),
        (TooLate("too late"), Code.DEADLINE_EXCEEDED, "TOO_LATE"),
        (Transient("not there"), Code.UNAVAILABLE, "UNAVAILABLE"),
        (Overloaded("no room"), Code.RESOURCE_EXHAUSTED, "OVERLOADED"),
        (Poison(Reason.UNREADABLE, "no such thing"), Code.INVALID_ARGUMENT, "POISON"),
        (Unfit("files", "no such thing"), Code.INVALID_ARGUMENT, "UNFIT"),
    ],
)
def test_a_failure_has_its_status_and_details_and_tells_nothing_of_our_inside(
    served: Served, channel: Any, raised: Exception, code: Any, reason: str
) -> None:
    def fail(request: bytes) -> bytes:
        raise raised

    with closing(Gate(fail)) as broken:
        broken.open.set()
        served.api._calls["Score"].judge = broken
        error = failure(lambda: score(channel)(b"", timeout=20))
    assert error.code() == code
    assert error_info(error).reason == reason
    assert dict(error_info(error).metadata) == {}
    assert "secret" not in error.details()
    assert [fields["error"] for fields in served.log.told("call failed")] == (
        [raised] if code == Code.INTERNAL else []
    )


def test_a_field_of_a_stream_is_named_with_its_batch(served: Served, channel: Any) -> None:
    def third_is_unfit(request: bytes) -> bytes:
        if request == b"c":
            raise Unfit("files[4].origin", "origin is missing")
        return request

    with closing(Gate(third_is_unfit)) as judge:
        judge.open.set()
        served.api._calls["Score"].judge = judge
        error = failure(lambda: list(score_stream(channel)(iter([b"a", b"b", b"c"]), timeout=60)))
    (bad,) = details(error)
    (violation,) = bad.field_violations
    assert violation.field == "files[4].origin"
    assert violation.description == "batch 2: origin is missing"
    assert dict(error_info(error).metadata) == {"batch": "2"}


def test_who_serves_is_asked_by_a_message(channel: Any) -> None:
    get = channel.unary_unary("/gristmill.v1.InfoService/Get")
    assert get(b"", timeout=20)
    error = failure(lambda: get(b"\xff\xff\xff", timeout=20))
    assert error.code() == Code.INVALID_ARGUMENT
    (bad,) = details(error)
    assert [one.field for one in bad.field_violations] == [""]


# --- load -----------------------------------------------------------------------------------------


def test_calls_beyond_the_places_are_refused_with_a_hint_and_streams_wait(
    served: Served, gate: Gate, channel: Any
) -> None:
    waiting = [score(channel).future(bytes([n]), timeout=60) for n in range(3)]
    until(lambda: served.api._calls["Score"]._num_taken == 3)
    error = failure(lambda: score(channel)(b"", timeout=20))
    assert error.code() == Code.RESOURCE_EXHAUSTED
    (retry,) = details(error)
    assert isinstance(retry, error_details_pb2.RetryInfo)
    stream = score_stream(channel)(iter([b"later"]), timeout=60)
    gate.open.set()
    assert [call.result() for call in waiting] == [b"\x00", b"\x01", b"\x02"]
    assert list(stream) == [b"later"]


def test_a_stream_is_read_no_further_than_a_few_batches(
    served: Served, gate: Gate, channel: Any
) -> None:
    taken = []

    def requests() -> Iterator[bytes]:
        for number in range(200):
            taken.append(number)
            yield bytes(90_000)

    stream = score_stream(channel)(requests(), timeout=60)
    assert gate.begun.acquire(timeout=20)
    until(lambda: served.api._calls["Score"]._num_taken == 2)
    time.sleep(0.3)
    assert served.api._calls["Score"]._num_taken == 2
    assert len(taken) < 100  # what HTTP/2 and both ends hold of a sender who is faster
    gate.open.set()
    assert len(list(stream)) == 200


def test_more_calls_than_may_be_open_are_refused() -> None:
    with Served("quality", {"SERVE_MAX_CALLS": "2"}) as served, closing(Gate()) as gate:
        served.api._calls["Score"].judge = gate
        with ExitStack() as stack:
            channels = [stack.enter_context(served.channel()) for _ in range(3)]
            running = [score(channel).future(b"", timeout=60) for channel in channels[:2]]
            until(lambda: served.api._calls["Score"]._num_taken == 2)
            error = failure(lambda: score(channels[2])(b"", timeout=20))
            assert error.code() == Code.RESOURCE_EXHAUSTED
            gate.open.set()
            assert [call.result() for call in running] == [b"", b""]


# --- deadlines and cancellation -------------------------------------------------------------------


def test_a_call_that_is_cancelled_before_its_turn_is_never_begun(
    served: Served, gate: Gate, channel: Any
) -> None:
    first = score(channel).future(b"first", timeout=60)
    assert gate.begun.acquire(timeout=20)
    second = score(channel).future(b"second", timeout=60)
    until(lambda: served.api._calls["Score"]._num_taken == 2)
    second.cancel()
    until(lambda: served.api._calls["Score"]._num_taken == 1)
    gate.open.set()
    assert first.result() == b"first"
    assert gate.num_begun == 1
    until(lambda: served.counted("QualityService.Score") == {"OK": 1, "CANCELLED": 1})


def test_a_deadline_that_passes_ends_the_call_and_frees_its_place(
    served: Served, gate: Gate, channel: Any
) -> None:
    error = failure(lambda: score(channel)(b"slow", timeout=0.3))
    assert error.code() == Code.DEADLINE_EXCEEDED
    until(lambda: sum(served.counted("QualityService.Score").values()) == 1)
    # Whichever the server hears of first: that the time is over, or that the client has left.
    assert served.counted("QualityService.Score").keys() <= {"DEADLINE_EXCEEDED", "CANCELLED"}
    gate.open.set()
    until(lambda: served.api._calls["Score"]._num_taken == 0)
    assert score(channel)(b"next", timeout=20) == b"next"


def test_a_deadline_that_cannot_be_kept_is_refused_before_any_work(
    served: Served, gate: Gate, channel: Any
) -> None:
    calls = served.api._calls["Score"]
    first = score(channel).future(b"", timeout=60)
    until(lambda: calls._num_taken == 1)
    calls._pace = 40.0
    error = failure(lambda: score(channel)(b"", timeout=30))
    assert error.code() == Code.DEADLINE_EXCEEDED
    assert "deadline leaves" in error.details()
    gate.open.set()
    assert first.result() == b""
    assert gate.num_begun == 1


def test_a_deadline_in_the_past_begins_nothing(served: Served, gate: Gate, channel: Any) -> None:
    """A client does not even send such a call: the server is shown one that passed on its way."""
    error = failure(lambda: score(channel)(b"", timeout=-1))
    assert error.code() == Code.DEADLINE_EXCEEDED

    class Refused(Exception): ...

    class Late:
        """The context of a call that came too late."""

        code: Any = None

        def time_remaining(self) -> float:
            return 0.0

        def auth_context(self) -> dict[str, list[bytes]]:
            return {}

        def peer(self) -> str:
            return "ipv4:127.0.0.1:1"

        async def abort(self, code: Any, details: str, trailing: object) -> None:
            self.code = code
            raise Refused(details, trailing)

    late = Late()
    interceptor = served.api.services().interceptor
    assert interceptor is not None
    judge = interceptor._around("QualityService.Score", served.api._calls["Score"].one)
    with pytest.raises(Refused):
        asyncio.run(judge(b"", late))
    assert late.code == Code.DEADLINE_EXCEEDED
    assert served.counted("QualityService.Score") == {"DEADLINE_EXCEEDED": 1}
    assert gate.num_begun == 0


@pytest.mark.parametrize("error", [Fatal("it does not start"), Transient("it is away")])
def test_a_stage_that_just_failed_by_itself_does_not_say_that_it_serves(
    served: Served, channel: Any, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    problems: list[Exception | None] = [error, None, Poison(Reason.UNREADABLE, "yours"), error]

    def answer(request: bytes) -> bytes:
        if (problem := problems.pop(0)) is not None:
            raise problem
        return request

    calls = served.api._calls["Score"]
    gate = calls.judge = Gate(answer)
    gate.open.set()
    health = health_pb2_grpc.HealthStub(channel)
    request = health_pb2.HealthCheckRequest(service="gristmill.quality.v1.QualityService")

    def serves() -> bool:
        status = health.Check(request, timeout=20).status
        return bool(status == health_pb2.HealthCheckResponse.SERVING)

    try:
        assert serves()
        failure(lambda: score(channel)(b"", timeout=20))
        assert not serves()
        assert score(channel)(b"x", timeout=20) == b"x"
        assert serves()
        failure(lambda: score(channel)(b"", timeout=20))
        assert serves(), "what was asked was wrong, not the stage"
        failure(lambda: score(channel)(b"", timeout=20))
        assert not serves()
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + 11)
        assert serves(), "somebody has to try again"
    finally:
        gate.close()


def test_a_stream_that_is_cancelled_takes_its_batches_along(
    served: Served, gate: Gate, channel: Any
) -> None:
    before = served.num_tasks
    stop = threading.Event()

    def requests() -> Iterator[bytes]:
        yield b"one"
        yield b"two"
        stop.wait(60)

    stream = score_stream(channel)(requests(), timeout=60)
    until(lambda: served.api._calls["Score"]._num_taken == 2)
    stream.cancel()
    until(lambda: served.api._calls["Score"]._num_taken == 1)
    gate.open.set()
    until(lambda: served.api._calls["Score"]._num_taken == 0)
    stop.set()
    until(lambda: served.num_tasks <= before)
    assert gate.num_begun == 1


def test_a_half_closed_stream_gets_all_its_answers(gate: Gate, channel: Any) -> None:
    stream = score_stream(channel)(iter([b"a", b"b"]), timeout=60)
    assert gate.begun.acquire(timeout=20)
    time.sleep(0.1)  # the requests have ended long since
    gate.open.set()
    assert list(stream) == [b"a", b"b"]


def test_a_stream_ends_with_the_failure_of_a_batch(served: Served, channel: Any) -> None:
    def second_fails(request: bytes) -> bytes:
        if request == b"b":
            raise Poison(Reason.UNREADABLE, "the second")
        return request

    with closing(Gate(second_fails)) as judge:
        judge.open.set()
        served.api._calls["Score"].judge = judge
        stream = score_stream(channel)(iter([b"a", b"b", b"c"]), timeout=60)
        answers = []
        error = failure(lambda: answers.extend(stream))
        assert answers in ([], [b"a"])
        assert (error.code(), error.details()) == (Code.INVALID_ARGUMENT, "the second")
        until(lambda: served.api._calls["Score"]._num_taken == 0)


# --- connections ----------------------------------------------------------------------------------


def test_a_thousand_idle_connections_leave_the_server_alive_and_nothing_behind(
    served: Served, gate: Gate, channel: Any
) -> None:
    gate.open.set()
    assert score(channel)(b"a", timeout=20) == b"a"
    descriptors, tasks = num_descriptors(), served.num_tasks
    address = ("127.0.0.1", served.servers.grpc_port)
    idle = [_greeted(address) for _ in range(1000)]
    try:
        assert score(channel)(b"b", timeout=20) == b"b"
        with served.channel(("grpc.use_local_subchannel_pool", 1)) as fresh:
            assert score(fresh)(b"c", timeout=20) == b"c"
    finally:
        for one in idle:
            one.close()
    until(lambda: num_descriptors() <= descriptors + 5)
    until(lambda: served.num_tasks <= tasks)
    assert score(channel)(b"d", timeout=20) == b"d"


def _greeted(address: tuple[str, int]) -> socket.socket:
    """Return a connection that speaks HTTP/2 and says nothing more: the preface, its settings."""
    connection = socket.create_connection(address, timeout=20)
    connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0)))
    return connection


def test_a_client_that_pings_without_end_is_sent_away_and_others_go_on(
    served: Served, gate: Gate, channel: Any
) -> None:
    too_often = (
        ("grpc.keepalive_time_ms", 100),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.use_local_subchannel_pool", 1),
    )
    with served.channel(*too_often) as pinging:
        waiting = score(pinging).future(b"", timeout=60)
        with pytest.raises(grpc.RpcError) as caught:
            waiting.result()
        assert caught.value.code() == Code.UNAVAILABLE
        assert "ping" in caught.value.details().lower()
    gate.open.set()
    assert score(channel)(b"a", timeout=20) == b"a"


def test_one_client_cannot_take_the_places_of_all() -> None:
    async def take_many() -> None:
        places = Places(4, 2)
        await places.take("one")
        await places.take("one")
        assert places.are_taken("one")
        waiting = asyncio.create_task(places.take("one"))
        await asyncio.sleep(0)
        assert not places.are_taken("other")
        await places.take("other")
        places.give("one")
        await waiting
        given_up = asyncio.create_task(places.take("one"))
        await asyncio.sleep(0)
        given_up.cancel()
        for caller in ("one", "one", "other"):
            places.give(caller)
        await asyncio.gather(given_up, return_exceptions=True)
        assert not places._own
        for caller in ("a", "b", "c", "d"):
            assert not places.are_taken(caller)
            await places.take(caller)
        assert places.are_taken("e")

    asyncio.run(take_many())


def test_one_client_cannot_take_the_calls_of_all() -> None:
    settings = {"SERVE_MAX_CALLS": "4", "SERVE_MAX_CLIENT_CALLS": "2"}
    with Served("quality", settings) as served, closing(Gate()) as gate:
        served.api._calls["Score"].judge = gate
        with served.channel() as channel:
            taken = [score(channel).future(b"", timeout=60) for _ in range(2)]
            until(lambda: served.api._calls["Score"]._num_taken == 2)
            error = failure(lambda: score(channel)(b"", timeout=20))
            assert error.code() == Code.RESOURCE_EXHAUSTED
            assert "of one client" in error.details()
            gate.open.set()
            assert [call.result() for call in taken] == [b"", b""]
            until(lambda: served.counted("QualityService.Score").get("OK") == 2)
            assert score(channel)(b"c", timeout=20) == b"c"


def test_connections_beyond_the_limit_are_closed_and_those_within_go_on() -> None:
    with Served("quality", {"SERVE_MAX_CONNECTIONS": "5"}) as served, closing(Gate()) as gate:
        served.api._calls["Score"].judge = gate
        gate.open.set()
        with served.channel() as channel:
            assert score(channel)(b"a", timeout=20) == b"a"
            address = ("127.0.0.1", served.servers.grpc_port)
            more = [socket.create_connection(address, timeout=20) for _ in range(10)]
            try:
                assert any(_is_closed(one) for one in more)
                assert score(channel)(b"b", timeout=20) == b"b"
            finally:
                for one in more:
                    one.close()


def _is_closed(connection: socket.socket) -> bool:
    connection.settimeout(1)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


# --- the end --------------------------------------------------------------------------------------


def test_at_the_end_running_calls_are_finished_and_new_ones_refused(
    served: Served, gate: Gate, channel: Any
) -> None:
    running = score(channel).future(b"running", timeout=60)
    assert gate.begun.acquire(timeout=20)
    served.health.set_draining()
    error = failure(lambda: score(channel)(b"new", timeout=20))
    assert error.code() == Code.UNAVAILABLE
    info = info_pb2_grpc.InfoServiceStub(channel).Get(info_pb2.InfoServiceGetRequest(), timeout=20)
    assert info.state == info_pb2.SERVICE_STATE_DRAINING
    ending = threading.Thread(target=served.servers.finish_calls, args=(30.0,))
    ending.start()
    gate.open.set()
    assert running.result() == b"running"
    ending.join(30)
    assert not ending.is_alive()


def test_at_the_end_a_stream_is_read_no_further_and_answers_what_came(
    served: Served, gate: Gate, channel: Any
) -> None:
    more = threading.Event()

    def requests() -> Iterator[bytes]:
        yield b"one"
        more.wait(60)
        yield b"two"

    answers: list[bytes] = []
    stream = score_stream(channel)(requests(), timeout=60)
    assert gate.begun.acquire(timeout=20)
    served.health.set_draining()
    time.sleep(0.2)
    gate.open.set()
    error = failure(lambda: _take_all(stream, answers))
    more.set()
    assert answers == [b"one"]
    assert error.code() == Code.UNAVAILABLE
    (retry,) = details(error)
    assert isinstance(retry, error_details_pb2.RetryInfo)


def _take_all(stream: Any, answers: list[bytes]) -> None:
    for one in stream:
        answers.append(one)


def test_calls_that_outlast_the_end_are_ended(served: Served, gate: Gate, channel: Any) -> None:
    running = score(channel).future(b"running", timeout=60)
    assert gate.begun.acquire(timeout=20)
    served.servers.finish_calls(0.2)
    assert running.exception(timeout=20).code() in {Code.UNAVAILABLE, Code.CANCELLED}
