"""What a client refuses before anything is sent."""

import pytest

from gristmill.client import Client, Origin, raw_file, source_file
from gristmill.runtime.model import BadInput

GOOD = Origin(source="s", repository="r", path="a.py")
HOSTILE = Origin(source="s", repository="r", path="\udcff.py")


def test_a_text_that_utf_8_cannot_express_is_bad_input() -> None:
    for make in (
        lambda: source_file("\udcff", GOOD),
        lambda: source_file("", HOSTILE),
        lambda: raw_file(b"", HOSTILE),
    ):
        with pytest.raises(BadInput, match="lone surrogate"):
            make()


@pytest.mark.parametrize("name", ["é", "a\n", "x" * 129], ids=ascii)
def test_a_name_that_no_server_takes_is_bad_input(name: str) -> None:
    with pytest.raises(BadInput, match="1 to 128 printable characters"):
        Client("127.0.0.1:1", name=name)


def test_a_key_that_no_item_can_bear_is_not_asked_for() -> None:
    with Client("127.0.0.1:1") as client, pytest.raises(BadInput, match="the key"):
        client.known(["fine", "\udcff"])
