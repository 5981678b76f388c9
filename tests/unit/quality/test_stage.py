"""The quality stage: a score beside every document that can be judged, and nothing dropped."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.quality.settings import QualitySettings
from gristmill.quality.stage import PLUGIN, QualityStage
from gristmill.quality.static import StaticScorer
from gristmill.runtime.model import (
    Annotations,
    Document,
    Features,
    FileText,
    Keep,
    Kind,
    Origin,
    Outcome,
    Position,
    Quality,
    ScoreParts,
    Syntax,
)
from gristmill.runtime.ports import Stage
from gristmill.runtime.testing.strategies import documents

PARTS = ScoreParts(readability=1.0, modularity=2.0, clarity=3.0, reusability=4.0)


class OfLength:
    """Scores a document by the length of its path; what has none is not judged."""

    name = "length-1"

    def __init__(self) -> None:
        self.batches: list[int] = []

    def score(self, batch: Sequence[Document]) -> Sequence[Quality]:
        self.batches.append(len(batch))
        return [
            Quality(
                score=len(one.origin.path) / 10 or None, parts=PARTS if one.origin.path else None
            )
            for one in batch
        ]


def document(path: str, annotations: Annotations | None = None) -> Document:
    return Document(
        id=f"id of {path}",
        kind=Kind.FILE,
        origin=Origin(source="s", repository="r", path=path),
        position=Position(source="s", offset=0),
        body=FileText(content="x = 1\n", encoding="utf-8"),
        content_sha256="f" * 64,
        size_bytes=6,
        annotations=annotations or Annotations(language="Python"),
    )


def kept(outcome: Outcome) -> Document:
    assert isinstance(outcome, Keep)
    return outcome.document


def test_every_document_is_kept_with_its_score_and_what_it_is_made_of() -> None:
    scorer = OfLength()
    outcomes = QualityStage(scorer).process([document("a.py"), document("abcdefgh")])
    assert [kept(one).annotations.score for one in outcomes] == [0.4, 0.8]
    assert [one.evidence.score for one in outcomes] == [0.4, 0.8]
    first = kept(outcomes[0])
    assert (first.annotations.scorer, first.annotations.score_parts) == ("length-1", PARTS)
    assert replace(first, annotations=document("a.py").annotations) == document("a.py")
    assert scorer.batches == [2], "the scorer gets batches"


def test_a_document_that_nobody_can_judge_is_kept_as_it_is() -> None:
    (outcome,) = QualityStage(OfLength()).process([document("")])
    assert kept(outcome) == document("")
    assert outcome.evidence.score is None


def test_a_score_that_is_there_is_not_given_again() -> None:
    scored = document("a.py", Annotations(score=0.1, scorer="another"))
    scorer = OfLength()
    first, second = QualityStage(scorer).process([scored, document("b")])
    assert kept(first) == scored
    assert kept(second).annotations.score == 0.1
    assert QualityStage(scorer).process([scored]) == [Keep(scored)]
    assert scorer.batches == [1]


def test_the_rule_of_zero_is_said_in_the_ledger() -> None:
    features = Features(num_bytes=90, num_lines=3, num_literals=30, num_literal_bytes=80)
    syntax = Syntax(error_share=0.0, checker="json", features=features)
    record = document("a.json", Annotations(language="JSON", syntax=syntax))
    (outcome,) = QualityStage(StaticScorer(QualitySettings())).process([record])
    assert (outcome.evidence.score, outcome.evidence.detail) == (0.0, "configuration")


def built() -> Stage:
    assert PLUGIN.build is not None
    return PLUGIN.build(QualitySettings())


@settings(max_examples=50)
@given(st.lists(documents(), max_size=4))
def test_any_batch_is_kept_whole_and_twice_is_harmless(batch: list[Document]) -> None:
    outcomes = built().process(batch)
    assert [kept(one).id for one in outcomes] == [one.id for one in batch]
    again = built().process([kept(one) for one in outcomes])
    assert [kept(one) for one in again] == [kept(one) for one in outcomes]


def test_other_weights_are_another_scorer() -> None:
    usual, other = StaticScorer(QualitySettings()), StaticScorer(QualitySettings(clarity=2.0))
    assert usual.name != other.name
    assert built().version == f"quality-{usual.name}"


@pytest.mark.parametrize("weights", [{"clarity": -1.0}, dict.fromkeys(PARTS.__slots__[:4], 0.0)])
def test_weights_that_weigh_nothing_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="weights"):
        QualitySettings(**weights)
