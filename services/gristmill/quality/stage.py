"""The quality stage: writes a score beside each document and drops nothing.

The cut is a predicate over the scores, evaluated by whoever reads the tables.
"""

from collections.abc import Sequence
from dataclasses import replace

from gristmill.quality.settings import QualitySettings
from gristmill.quality.static import StaticScorer
from gristmill.runtime.model import Document, Evidence, Keep, Outcome, Quality
from gristmill.runtime.ports import Scorer, StagePlugin


class QualityStage:
    """Keeps every document, with the score that its scorer gives."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self.version = f"quality-{scorer.name}"

    def process(self, batch: Sequence[Document]) -> Sequence[Outcome]:
        """Score a batch; a document that has a score keeps it."""
        unscored = [one for one in batch if one.annotations.score is None]
        scores = iter(self._scorer.score(unscored)) if unscored else iter(())
        return [
            self._kept(one, next(scores)) if one.annotations.score is None else Keep(one)
            for one in batch
        ]

    def _kept(self, document: Document, quality: Quality) -> Keep:
        if quality.score is None:
            return Keep(document)
        annotations = replace(
            document.annotations,
            score=quality.score,
            scorer=self._scorer.name,
            score_parts=quality.parts,
        )
        rule = quality.parts.zero_rule if quality.parts else ""
        scored = replace(document, annotations=annotations)
        return Keep(scored, Evidence(score=quality.score, detail=rule))


def _build(settings: QualitySettings) -> QualityStage:
    return QualityStage(StaticScorer(settings))


PLUGIN = StagePlugin(name="quality", settings=QualitySettings, build=_build, only_annotates=True)
