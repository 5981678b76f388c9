"""Settings of a server that cannot be: said by name, before anything listens."""

from typing import Any

import pytest

from gristmill.cli.sections import ServeSettings


@pytest.mark.parametrize("name", ["http_port", "grpc_port"])
@pytest.mark.parametrize("port", [-1, 65_536, 99_999])
def test_a_port_that_cannot_be_is_refused(name: str, port: int) -> None:
    told: dict[str, Any] = {name: port}
    with pytest.raises(ValueError, match=f"{name} must be between 0 and 65535"):
        ServeSettings(**told)


@pytest.mark.parametrize(
    "name", ["max_message_bytes", "max_calls", "max_batches", "max_connections"]
)
@pytest.mark.parametrize("number", [0, 1 << 31, 99_999_999_999])
def test_a_limit_that_grpc_cannot_hold_is_refused(name: str, number: int) -> None:
    told: dict[str, Any] = {name: number}
    with pytest.raises(ValueError, match=f"{name} must be between 1 and"):
        ServeSettings(**told)


def test_the_ends_of_what_may_be_are_taken() -> None:
    ServeSettings(http_port=0, grpc_port=65_535, max_message_bytes=(1 << 31) - 1)
    ServeSettings(max_message_bytes=1, max_calls=1, max_batches=1, max_connections=1)
