"""Calls are tried again where that may help, no longer than they may take."""

from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2

from gristmill.client import CallError, Client, Retries, Tls
from gristmill.client.channel import with_retries
from gristmill.runtime.model import BadInput


class Failed(grpc.RpcError):
    def __init__(self, code: grpc.StatusCode, retry_seconds: int | None = None) -> None:
        self._code = code
        self._metadata: tuple[Any, ...] = ()
        if retry_seconds is not None:
            status = status_pb2.Status(code=code_pb2.Code.Value(code.name), message="why")
            hint = error_details_pb2.RetryInfo()
            hint.retry_delay.seconds = retry_seconds
            status.details.add().Pack(hint)
            self._metadata = (("grpc-status-details-bin", status.SerializeToString()),)

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return "why"

    def trailing_metadata(self) -> Any:
        return self._metadata


UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


class Calls:
    """Calls that fail as told, then succeed; time passes only where somebody waits."""

    def __init__(self, *failures: Failed) -> None:
        self._failures = list(failures)
        self.now = 0.0
        self.waits: list[float] = []
        self.told: list[CallError] = []
        self.left: list[float] = []

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def call(self, left: float) -> str:
        self.left.append(left)
        if self._failures:
            raise self._failures.pop(0)
        return "answer"

    def run(self, timeout_seconds: float = 60.0) -> str:
        retries = Retries(attempts=4, first_seconds=1.0, longest_seconds=3.0, told=self.told.append)
        return with_retries(
            self.call,
            timeout_seconds=timeout_seconds,
            retries=retries,
            now=lambda: self.now,
            wait=self.wait,
        )


def test_a_call_is_tried_again_after_longer_and_longer_pauses() -> None:
    calls = Calls(*[Failed(UNAVAILABLE)] * 3)
    assert calls.run() == "answer"
    for waited, most in zip(calls.waits, (1.0, 2.0, 3.0), strict=True):
        assert most / 2 <= waited <= most
    assert calls.left == sorted(calls.left, reverse=True)
    assert [str(error) for error in calls.told] == ["UNAVAILABLE: why"] * 3


def test_after_so_many_attempts_the_error_is_the_callers() -> None:
    calls = Calls(*[Failed(grpc.StatusCode.RESOURCE_EXHAUSTED, retry_seconds=1)] * 4)
    with pytest.raises(CallError, match="RESOURCE_EXHAUSTED: why"):
        calls.run()
    assert len(calls.waits) == 3


@pytest.mark.parametrize("status", ["INVALID_ARGUMENT", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"])
def test_what_the_server_refuses_without_a_hint_is_not_tried_again(status: str) -> None:
    calls = Calls(Failed(grpc.StatusCode[status]))
    with pytest.raises(CallError) as raised:
        calls.run()
    assert (raised.value.status, calls.waits) == (status, [])


def test_the_pause_is_at_least_what_the_server_asks_for() -> None:
    calls = Calls(Failed(UNAVAILABLE, retry_seconds=7))
    calls.run()
    assert calls.waits == [7.0]


def test_no_pause_goes_beyond_the_deadline() -> None:
    calls = Calls(Failed(UNAVAILABLE, retry_seconds=7))
    with pytest.raises(CallError) as raised:
        calls.run(timeout_seconds=5.0)
    assert raised.value.retry_after_seconds == 7
    assert calls.waits == []


def test_a_file_that_is_not_there_is_bad_input_and_named() -> None:
    with pytest.raises(BadInput, match=r"/no/such/ca\.pem"):
        Client("127.0.0.1:1", tls=Tls(ca="/no/such/ca.pem"))


def test_files_that_hold_no_certificates_are_bad_input_and_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n")
    for tls in (Tls(ca=str(broken)), Tls(certificate=str(broken), key=str(broken))):
        with pytest.raises(BadInput, match=r"broken\.pem cannot be used"):
            Client("127.0.0.1:1", tls=tls)


@pytest.mark.parametrize("address", ["", " "])
def test_an_empty_address_is_bad_input(address: str) -> None:
    with pytest.raises(BadInput, match="the address is empty"):
        Client(address)
