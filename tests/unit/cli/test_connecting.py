"""What commands show to gRPC services."""

import pytest

from gristmill.cli.connecting import mill_tls, tls_of, why_failed
from gristmill.cli.mill import LocalMill
from gristmill.client import CallError, Tls
from gristmill.runtime.model import BadInput

OWN = {"ca": "ca.pem", "certificate": "client.pem", "key": "client.key"}
MILL = LocalMill(services={"syntax": {"grpc": "127.0.0.1:5001"}}, tls=OWN)


def test_a_certificate_without_its_key_and_the_reverse_are_bad_input() -> None:
    for certificate, key in (("a.pem", ""), ("", "a.key")):
        with pytest.raises(BadInput, match="go together"):
            tls_of("", certificate, key)
    assert tls_of("ca.pem", "", "") == Tls(ca="ca.pem")
    assert tls_of("", "", "") is None


@pytest.mark.parametrize("address", ["127.0.0.1:5001", "localhost:5001"])
def test_services_of_the_mill_are_shown_its_certificates(address: str) -> None:
    assert mill_tls(address, MILL) == Tls(**OWN)
    assert mill_tls(address, LocalMill(services=MILL.services)) is None


@pytest.mark.parametrize("address", ["127.0.0.1:5002", "mill.example:5001", ""])
def test_others_are_not(address: str) -> None:
    assert mill_tls(address, MILL) is None


def test_a_server_that_does_not_answer_may_want_tls() -> None:
    assert "--tls-ca" in why_failed(CallError("UNAVAILABLE", "Socket closed"), None)
    for error, tls in (
        (CallError("UNAVAILABLE", "handshake failed"), Tls()),
        (CallError("UNAVAILABLE", "the server stops", 1.0), None),
        (CallError("NOT_FOUND", "no such service"), None),
    ):
        assert why_failed(error, tls) == str(error)
