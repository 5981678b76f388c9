"""What crosses between processes comes out as it went in."""

import pickle
from dataclasses import FrozenInstanceError, dataclass, fields, is_dataclass

import pytest

from gristmill.runtime.model import Decision, Document, Evidence, FileText, Kind, OutcomeKind
from gristmill.runtime.model.document import Annotations, Origin, Position, RawFile, Syntax
from gristmill.runtime.model.pickling import quickly_pickled
from gristmill.runtime.ports import Entry

ORIGIN = Origin(source="s", repository="r", path="p.py")
POSITION = Position(source="s", offset=7)
EVIDENCE = Evidence(error_share=0.5, checker="tree-sitter:python")
VALUES = (
    ORIGIN,
    POSITION,
    EVIDENCE,
    FileText(content="x\n", encoding="utf-8"),
    Annotations(language="Python", syntax=Syntax(error_share=0.0, checker="c")),
    Document(
        id="1" * 32,
        kind=Kind.FILE,
        origin=ORIGIN,
        position=POSITION,
        body=FileText(content="x\n", encoding="utf-8"),
        content_sha256="a" * 64,
        size_bytes=2,
    ),
    RawFile(
        origin=ORIGIN, position=POSITION, size_bytes=2, content=b"x\n", content_sha256="a" * 64
    ),
    Decision(
        document_id="1" * 32,
        content_sha256="a" * 64,
        kind=Kind.FILE,
        origin=ORIGIN,
        position=POSITION,
        size_bytes=2,
        stage="syntax",
        outcome=OutcomeKind.KEEP,
        version="v",
        evidence=EVIDENCE,
    ),
    Entry(origin=ORIGIN, position=POSITION, size_bytes=2, content=b"x\n"),
)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_value_comes_back_equal_and_frozen(value: object) -> None:
    back = pickle.loads(pickle.dumps(value))
    assert back == value
    assert hash(back) == hash(value)
    assert is_dataclass(back)
    with pytest.raises(FrozenInstanceError):
        setattr(back, fields(back)[0].name, None)


def test_a_state_of_another_shape_is_refused() -> None:
    state = POSITION.__getstate__()
    assert state == ("s", 7)
    with pytest.raises(ValueError, match="argument 2 is"):
        object.__new__(Position).__setstate__(("s",))  # type: ignore[attr-defined]


def test_a_class_of_one_field_is_refused() -> None:
    with pytest.raises(AssertionError):

        @quickly_pickled
        @dataclass(frozen=True, slots=True)
        class One:
            """Has too little."""

            name: str
