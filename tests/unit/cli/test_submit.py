"""`gristmill submit`: what it says when the server stays away, or somebody interrupts it."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import pytest
from typer.testing import CliRunner

from gristmill.cli.main import app
from gristmill.client import Accepted, CallError, Receipt, Submission


class Server:
    """A client of a server that answers for two items, and then not any more."""

    error: BaseException = CallError("UNAVAILABLE", "nobody is there")

    def __init__(self, address: str, **options: Any) -> None:
        del address, options

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None: ...

    def known(self, keys: Sequence[str]) -> Sequence[bool]:
        return [number == 0 for number, _ in enumerate(keys)]

    def submit(self, items: Iterator[Submission]) -> Iterator[Receipt]:
        yield Receipt(next(items).key, Accepted(num_items=1))
        yield Receipt(next(items).key, Accepted(num_items=1))
        raise self.error


@pytest.fixture
def arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr("gristmill.client.Client", Server)
    (tmp_path / "src").mkdir()
    for n in range(5):
        (tmp_path / "src" / f"{n}.py").write_text(f"n = {n}\n")
    return ["submit", str(tmp_path / "src"), "--to", "host:1", "--mill", str(tmp_path)]


@pytest.mark.parametrize("as_json", [False, True])
def test_when_the_server_stays_away_it_tells_what_became_of_everything_so_far(
    arguments: list[str], *, as_json: bool
) -> None:
    done = CliRunner().invoke(app, [*arguments, *["--json"] * as_json])
    assert done.exception is Server.error  # main tells it, and ends with 1
    assert "begin again, and what was accepted is not sent again" in done.stderr
    if as_json:
        told = json.loads(done.stdout)
        assert (told["accepted"], told["known_before"], told["refused"]) == (2, 1, 0)
        assert told["error"] == "UNAVAILABLE: nobody is there"
    else:
        assert "2 items accepted, 1 known before, 0 refused" in done.stderr


def test_when_it_is_interrupted_it_tells_what_became_of_everything_so_far(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Server, "error", KeyboardInterrupt())
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exit_code == 130
    assert json.loads(done.stdout)["error"] == "interrupted"
    assert "begin again, and what was accepted is not sent again" in done.stderr
