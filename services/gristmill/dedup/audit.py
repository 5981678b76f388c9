"""Holding stored verdicts against the truth: exact similarities, and the components they form.

Wrong drops and missed pairs are told apart by cause, so that one knows whether an estimate, the
bands, or the rule that the first owner keeps a band is to blame.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gristmill.dedup.pairs import Comparison, Pairs
from gristmill.runtime.ports.index import BANDS, PERMUTATIONS, ROWS

WRONG_BELOW = 0.6
"""Nobody would call two texts duplicates that are less alike."""
LEVELS = (0.8, 0.9)
_SEARCHED = 0.5  # pairs less alike are not looked for
_EXAMPLES = 10

NO_SHARED_BAND = "no band in common"
ESTIMATE_LOW = "estimate below the threshold"
BAND_TAKEN = "shared bands owned by another"
ESTIMATE_HIGH = "estimate above the exact similarity"
MATCH_GONE = "the match is not among the kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was decided about a text: kept, or dropped as like text number `match` (-1: gone)."""

    name: str
    domain: str
    kept: bool
    match: int = -1


@dataclass(frozen=True, slots=True)
class Example:
    """Two documents worth a look."""

    first: str
    second: str
    jaccard: float
    cause: str


@dataclass(slots=True, kw_only=True)
class Audit:
    """What an audit found. Pairs are those inside a domain, unless said otherwise.

    `wrong_drops` are dropped texts to which no other is alike by WRONG_BELOW; `low_drops` those
    whose own match is less alike than the threshold. `missed` counts kept pairs by level, `pairs`
    all pairs. `survivors` counts components of similar texts by how many of them were kept.
    """

    texts: int
    near_drops: int
    threshold: float
    wrong_drops: Counter[str] = field(default_factory=Counter)
    low_drops: int = 0
    pairs: dict[float, int] = field(default_factory=dict)
    missed: dict[float, Counter[str]] = field(default_factory=dict)
    across_domains: dict[float, int] = field(default_factory=dict)
    components: int = 0
    survivors: Counter[int] = field(default_factory=Counter)
    chained: int = 0
    """Components with several survivors of which no two are alike by the threshold."""
    unheld: int = 0
    """Components without a survivor of which a member's match is not among the kept either."""
    examples: list[Example] = field(default_factory=list)


def audit(comparison: Comparison, verdicts: Sequence[Verdict], threshold: float) -> Audit:
    """Compare the verdict on each text, in the comparison's order, with the exact similarities."""
    assert len(comparison) == len(verdicts), "one verdict a text"
    pairs = comparison.similar(min(_SEARCHED, threshold))
    found = Audit(
        texts=len(verdicts),
        near_drops=sum(not verdict.kept for verdict in verdicts),
        threshold=threshold,
    )
    _judge_drops(found, comparison, pairs, verdicts)
    domains = np.unique([verdict.domain for verdict in verdicts], return_inverse=True)[1]
    kept = np.array([verdict.kept for verdict in verdicts], bool)
    inside = domains[pairs.first] == domains[pairs.second] if len(domains) else pairs.first > 0
    both = kept[pairs.first] & kept[pairs.second] if len(kept) else inside
    missed = np.flatnonzero((pairs.jaccard >= threshold) & inside & both)
    causes = _causes(found, comparison, pairs, missed, verdicts)
    for level in (threshold, *(level for level in LEVELS if level > threshold)):
        alike = pairs.jaccard >= level
        found.pairs[level] = int((alike & inside).sum())
        found.across_domains[level] = int((alike & ~inside & both).sum())
        found.missed[level] = Counter(c for at, c in causes.items() if pairs.jaccard[at] >= level)
    alike = inside & (pairs.jaccard >= threshold)
    _judge_components(found, pairs.first[alike], pairs.second[alike], verdicts)
    return found


def _judge_drops(
    found: Audit, comparison: Comparison, pairs: Pairs, verdicts: Sequence[Verdict]
) -> None:
    best = np.zeros(len(verdicts))
    for side in (pairs.first, pairs.second):
        np.maximum.at(best, side, pairs.jaccard)
    dropped = [n for n, verdict in enumerate(verdicts) if not verdict.kept]
    matched = [n for n in dropped if verdicts[n].match >= 0]
    exact = comparison.jaccard(
        np.array(matched, np.int64), np.array([verdicts[n].match for n in matched], np.int64)
    )
    to_match = dict(zip(matched, exact.tolist(), strict=True))
    found.low_drops = sum(similarity < found.threshold for similarity in to_match.values())
    wrong = sorted((n for n in dropped if best[n] < WRONG_BELOW), key=lambda n: best[n])
    for n in wrong:
        cause = ESTIMATE_HIGH if n in to_match else MATCH_GONE
        found.wrong_drops[cause] += 1
        if len(found.examples) < _EXAMPLES:
            match = verdicts[verdicts[n].match].name if n in to_match else "?"
            found.examples.append(
                Example(match, verdicts[n].name, to_match.get(n, 0.0), f"wrong drop: {cause}")
            )


def _causes(
    found: Audit,
    comparison: Comparison,
    pairs: Pairs,
    missed: NDArray[np.int64],
    verdicts: Sequence[Verdict],
) -> dict[int, str]:
    """Say for each kept pair why the index had not seen it, those most alike first."""
    least = found.threshold * PERMUTATIONS - 1e-9
    causes: dict[int, str] = {}
    for at in missed[np.argsort(-pairs.jaccard[missed], kind="stable")].tolist():
        first, second = int(pairs.first[at]), int(pairs.second[at])
        equal = comparison.signatures[first] == comparison.signatures[second]
        if not equal.reshape(BANDS, ROWS).all(axis=1).any():
            cause = NO_SHARED_BAND
        elif equal.sum() < least:
            cause = ESTIMATE_LOW
        else:
            cause = BAND_TAKEN
        causes[at] = cause
        if len(found.examples) < _EXAMPLES:
            names = verdicts[first].name, verdicts[second].name
            found.examples.append(Example(*names, float(pairs.jaccard[at]), f"missed: {cause}"))
    return causes


def _judge_components(
    found: Audit,
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    verdicts: Sequence[Verdict],
) -> None:
    """Count components of texts that are alike, directly or through others, by their survivors.

    One without any is held by kept texts outside it, those that its members were dropped for:
    alike by the estimate, by a little less than the threshold in truth.
    """
    leader = list(range(len(verdicts)))

    def lead(n: int) -> int:
        while leader[n] != n:
            leader[n] = leader[leader[n]]
            n = leader[n]
        return n

    edges = list(zip(first.tolist(), second.tolist(), strict=True))
    for a, b in edges:
        low, high = sorted((lead(a), lead(b)))
        leader[high] = low
    members: dict[int, list[Verdict]] = {}
    for n in {n for edge in edges for n in edge}:
        members.setdefault(lead(n), []).append(verdicts[n])
    direct = {lead(a) for a, b in edges if verdicts[a].kept and verdicts[b].kept}
    found.components = len(members)
    for root, component in members.items():
        survivors = sum(verdict.kept for verdict in component)
        found.survivors[survivors] += 1
        found.chained += survivors > 1 and root not in direct
        found.unheld += not survivors and any(verdict.match < 0 for verdict in component)
