"""TLS and mutual TLS: who may call, and certificates that are renewed while the server runs."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import certificates
import grpc
import pytest
from grpc_served import HOST, Gate, Log, Served, nothing_left

from gristmill.runtime.adapters.grpc_tls import Certificates, TlsSettings, require_private
from gristmill.runtime.model import BadInput

SCORE = "/gristmill.quality.v1.QualityService/Score"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The authority that everybody trusts, with a server, a renewed one, and a client."""
    return _authority(tmp_path_factory.mktemp("ours"), "server", "renewed", "client")


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority that nobody trusts."""
    return _authority(tmp_path_factory.mktemp("foreign"), "server", "client")


def _authority(folder: Path, *names: str) -> Path:
    certificates.make_authority(folder)
    for name in names:
        certificates.issue(folder, name)
    return folder


@pytest.fixture
def files(authority: Path, tmp_path: Path) -> Path:
    """What one server reads; a test may write there."""
    _install(authority, "server", tmp_path)
    return tmp_path


def _install(authority: Path, name: str, folder: Path) -> None:
    for kind in ("pem", "key"):
        shutil.copy(authority / f"{name}.{kind}", folder / f"new.{kind}")
        (folder / f"new.{kind}").replace(folder / f"server.{kind}")


def _settings(files: Path, client_ca: Path | None = None) -> dict[str, str]:
    return {
        "TLS_CERTIFICATE": str(files / "server.pem"),
        "TLS_KEY": str(files / "server.key"),
        "TLS_CLIENT_CA": "" if client_ca is None else str(client_ca / certificates.CA),
    }


@pytest.fixture
def served(files: Path, authority: Path) -> Iterator[Served]:
    """A server that asks its clients for certificates."""
    with (
        Served("quality", _settings(files, authority)) as made,
        closing(Gate()) as gate,
        nothing_left(made),
    ):
        gate.open.set()
        made.api._calls["Score"].judge = gate
        yield made


def _call(served: Served, credentials: Any | None) -> Any:
    """Call over a connection of its own; return the answer, or the status."""
    fresh = (("grpc.use_local_subchannel_pool", 1),)
    address = f"localhost:{served.servers.grpc_port}"
    channel = (
        grpc.insecure_channel(address, options=fresh)
        if credentials is None
        else grpc.secure_channel(address, credentials, options=fresh)
    )
    with channel:
        try:
            return channel.unary_unary(SCORE)(b"a", timeout=20)
        except grpc.RpcError as error:
            return error.code()


def _credentials(trusted: Path, own: Path | None = None, name: str = "client") -> Any:
    pair: dict[str, bytes] = {}
    if own is not None:
        pair = {
            "private_key": (own / f"{name}.key").read_bytes(),
            "certificate_chain": (own / f"{name}.pem").read_bytes(),
        }
    return grpc.ssl_channel_credentials((trusted / certificates.CA).read_bytes(), **pair)


def test_a_client_of_our_authority_is_served(served: Served, authority: Path) -> None:
    assert _call(served, _credentials(authority, authority)) == b"a"


def test_who_is_not_who_he_should_be_is_unavailable_and_others_go_on(
    served: Served, authority: Path, foreign: Path
) -> None:
    refused = {
        "no certificate": _credentials(authority),
        "a certificate of a foreign authority": _credentials(authority, foreign),
        "a client that trusts another authority": _credentials(foreign, authority),
        "plaintext": None,
    }
    codes = {why: _call(served, credentials) for why, credentials in refused.items()}
    assert codes == dict.fromkeys(refused, grpc.StatusCode.UNAVAILABLE)
    assert _call(served, _credentials(authority, authority)) == b"a"
    assert served.counted("QualityService.Score") == {"OK": 1}


def test_without_a_client_ca_any_client_is_served(files: Path, authority: Path) -> None:
    with Served("quality", _settings(files)) as served, closing(Gate()) as gate:
        gate.open.set()
        served.api._calls["Score"].judge = gate
        assert _call(served, _credentials(authority)) == b"a"


def test_a_renewed_certificate_is_used_without_a_restart(
    served: Served, files: Path, authority: Path, foreign: Path
) -> None:
    ours, theirs = _credentials(authority, authority), _credentials(foreign, authority)
    kept = grpc.secure_channel(f"localhost:{served.servers.grpc_port}", ours)
    with kept:
        call = kept.unary_unary(SCORE)
        assert call(b"a", timeout=20) == b"a"
        _install(foreign, "server", files)
        assert _call(served, theirs) == b"a"
        assert _call(served, ours) == grpc.StatusCode.UNAVAILABLE
        assert call(b"a", timeout=20) == b"a"  # what is open stays open
    _install(authority, "renewed", files)
    assert _call(served, ours) == b"a"
    assert len(served.log.told("certificates renewed")) == 2


def test_a_half_written_certificate_leaves_the_old_one_in_use(
    served: Served, files: Path, authority: Path, foreign: Path
) -> None:
    ours = _credentials(authority, authority)
    shutil.copy(foreign / "server.pem", files / "server.pem")  # and the key comes later
    assert _call(served, ours) == b"a"
    (files / "server.pem").unlink()
    assert _call(served, ours) == b"a"
    assert len(served.log.told("certificates not renewed")) == 2
    _install(authority, "renewed", files)
    assert _call(served, ours) == b"a"


def test_files_that_do_not_fit_together_are_told_at_the_start(files: Path, foreign: Path) -> None:
    wrong = [
        TlsSettings(certificate=str(files / "server.pem"), key=str(foreign / "server.key")),
        TlsSettings(certificate=str(files / "none.pem"), key=str(files / "server.key")),
        TlsSettings(
            certificate=str(files / "server.pem"),
            key=str(files / "server.key"),
            client_ca=str(files / "server.key"),
        ),
    ]
    for settings in wrong:
        with pytest.raises(BadInput, match="cannot be used"):
            Certificates(settings, Log())


def test_plaintext_beyond_loopback_must_be_asked_for(files: Path) -> None:
    for host in (HOST, "localhost", "::1"):
        require_private(TlsSettings(), host)
    with pytest.raises(BadInput, match="plaintext"):
        require_private(TlsSettings(), "0.0.0.0")
    require_private(TlsSettings(plaintext=True), "0.0.0.0")
    pair = {"certificate": str(files / "server.pem"), "key": str(files / "server.key")}
    require_private(TlsSettings(**pair), "0.0.0.0")


@pytest.mark.parametrize(
    "settings", [{"certificate": "a"}, {"key": "a"}, {"client_ca": "a"}], ids=str
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"together|needs"):
        TlsSettings(**settings)
