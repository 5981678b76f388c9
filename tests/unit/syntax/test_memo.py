"""The memory of what was found in texts: bounded, and by content, language and rules."""

import pytest

from gristmill.runtime.model.languages import find_language
from gristmill.syntax import memo
from gristmill.syntax.memo import Examined, Remembered, UsedUp
from gristmill.syntax.verdict import examine

SHA = "a" * 64


class Kept(dict[bytes, bytes]):
    """A memo in a dictionary."""

    def put(self, key: bytes, value: bytes) -> None:
        self[key] = value


def found_in(text: str = "package a\n\nfunc f() { g(1) }\n", name: str = "Go") -> Examined:
    return examine(find_language(name), text)


@pytest.mark.parametrize(
    ("name", "text"),
    [("Go", "package a\n"), ("Go", "func ) = (\n"), ("Python", "print 1\n"), ("COBOL", "x")],
)
def test_what_was_put_is_found_again_here_and_elsewhere(name: str, text: str) -> None:
    kept, found = Kept(), found_in(text, name)
    here, elsewhere = Remembered("rules"), Remembered("rules")
    here.memo = elsewhere.memo = kept
    assert here.get(SHA, name) is None
    here.put(SHA, name, found)
    assert here.get(SHA, name) == elsewhere.get(SHA, name) == found
    kept.clear()
    assert elsewhere.get(SHA, name) == found, "what was looked up once is at hand"


def test_other_rules_languages_and_texts_are_other_questions() -> None:
    kept, here, other = Kept(), Remembered("rules"), Remembered("other rules")
    here.memo = other.memo = kept
    here.put(SHA, "Go", found_in())
    assert other.get(SHA, "Go") is None
    assert here.get(SHA, "Rust") is None
    assert here.get("b" * 64, "Go") is None


def test_used_up_seconds_are_remembered_until_there_may_be_more() -> None:
    kept, here = Kept(), Remembered("rules")
    here.memo, here.cpu_seconds = kept, 4.0
    here.put_ended(SHA, "Go")
    assert here.get(SHA, "Go") == UsedUp(4.0)
    for cpu_seconds, known in ((2.0, True), (4.0, True), (4.5, False)):
        later = Remembered("rules")
        later.memo, later.cpu_seconds = kept, cpu_seconds
        assert (later.get(SHA, "Go") == UsedUp(4.0)) is known
        if not known:  # it was tried again, and what was found counts
            later.put(SHA, "Go", found_in())
            assert later.get(SHA, "Go") == found_in()


def test_a_process_remembers_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memo, "_REMEMBERED", 2)
    here = Remembered("rules")
    for number in range(5):
        here.put(str(number), "Go", found_in())
    there = [here.get(str(number), "Go") is not None for number in range(5)]
    assert there == [False, False, False, True, True]


@pytest.mark.parametrize("value", [b"", b"\x80garbage", b"\x80\x04K\x01.", b"\x80\x04)."])
def test_what_is_damaged_is_not_known(value: bytes) -> None:
    kept, here = Kept(), Remembered("rules")
    here.memo = kept
    here.put(SHA, "Go", found_in())
    other = Remembered("rules")
    other.memo = Kept(dict.fromkeys(kept, value))
    assert other.get(SHA, "Go") is None
