"""Measuring dedup on labelled files and pairs, one JSON record each."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gristmill.cli.labelled import content_of, read_lines, read_records, text_of
from gristmill.cli.measure import Figure
from gristmill.dedup.audit import WRONG_BELOW
from gristmill.dedup.fingerprint import sign
from gristmill.dedup.pairs import similar_pairs
from gristmill.dedup.stage import domain
from gristmill.runtime.adapters.memory_index import MemoryIndex
from gristmill.runtime.model import BadInput, Kind, Origin, Position
from gristmill.runtime.model.document import document_id, sha256_hex
from gristmill.runtime.ports import Duplicate, Fingerprint


@dataclass(frozen=True, slots=True)
class _File:
    """One labelled file: its bytes, and the text that a run would make of them."""

    id: str
    content: bytes
    text: bytes
    language: str
    path: str


class _Levels:
    """Pairs counted by how alike they are."""

    def __init__(self) -> None:
        self._pairs: list[tuple[float, bool]] = []

    def count(self, jaccard: float, *, called: bool) -> None:
        self._pairs.append((jaccard, called))

    def wrong(self) -> Figure:
        low = [called for jaccard, called in self._pairs if jaccard < WRONG_BELOW]
        return Figure(sum(low), len(low))

    def found(self, level: float) -> Figure:
        high = [called for jaccard, called in self._pairs if jaccard >= level]
        return Figure(sum(high), len(high))


def measure_dedup(data: str) -> dict[str, Figure]:
    """Return how many similar pairs are found, how many others are called similar, and the run."""
    files = list(_read_files(data))
    number_of = {file.id: number for number, file in enumerate(files)}
    fingerprints = _fingerprints(files)
    pairs = _Levels()
    equal = unequal = equal_found = unequal_equal = 0
    for a, b, jaccard in _read_pairs(data, number_of):
        _, verdict = MemoryIndex().admit([fingerprints[a], fingerprints[b]])
        called = isinstance(verdict, Duplicate)
        called_equal = isinstance(verdict, Duplicate) and verdict.match == "exact"
        is_equal = files[a].content == files[b].content
        equal, equal_found = equal + is_equal, equal_found + (is_equal and called)
        unequal += not is_equal
        unequal_equal += not is_equal and called_equal
        pairs.count(jaccard, called=called)
    verdicts = MemoryIndex().admit(fingerprints)
    removed = [isinstance(verdict, Duplicate) for verdict in verdicts]
    return {
        "pairs_wrong_below_0.6": pairs.wrong(),
        "pairs_found_at_0.8": pairs.found(0.8),
        "pairs_found_at_0.9": pairs.found(0.9),
        "pairs_equal_found": Figure(equal_found, equal),
        "pairs_unequal_called_equal": Figure(unequal_equal, unequal),
        **_measure_run(files, removed),
    }


def _measure_run(files: Sequence[_File], removed: Sequence[bool]) -> dict[str, Figure]:
    """Judge a whole run by the exact similarity of all pairs that a wide search finds."""
    found = similar_pairs((file.text for file in files), at_least=0.5)
    pairs = _Levels()
    stay = {file.content for file, gone in zip(files, removed, strict=True) if not gone}
    best = [float(file.content in stay) for file in files]
    for a, b, jaccard in zip(
        found.first.tolist(), found.second.tolist(), found.jaccard.tolist(), strict=True
    ):
        if files[a].content != files[b].content:  # a copy that went too is no comfort
            best[a], best[b] = max(best[a], jaccard), max(best[b], jaccard)
        pairs.count(jaccard, called=removed[a] or removed[b])
    first = {file.content: number for number, file in reversed(list(enumerate(files)))}
    repeats = [first[file.content] < number for number, file in enumerate(files)]
    gone_too = sum(gone and repeat for gone, repeat in zip(removed, repeats, strict=True))
    wrong = sum(gone and alike < WRONG_BELOW for gone, alike in zip(removed, best, strict=True))
    return {
        "run_wrong_below_0.6": Figure(wrong, sum(removed)),
        "run_found_at_0.8": pairs.found(0.8),
        "run_found_at_0.9": pairs.found(0.9),
        "run_copies_removed": Figure(gone_too, sum(repeats)),
    }


def _read_pairs(data: str, number_of: Mapping[str, int]) -> Iterator[tuple[int, int, float]]:
    path = os.path.join(data, "similar_pairs.jsonl")
    for pair in read_lines(path):
        try:
            yield number_of[pair["a"]], number_of[pair["b"]], float(pair["jaccard5"])
        except KeyError as error:
            raise BadInput(f"{path}: a pair without the file or field {error}") from error
        except (TypeError, ValueError) as error:
            raise BadInput(f"{path}: a pair whose jaccard5 is no number") from error


def _fingerprints(files: Sequence[_File]) -> list[Fingerprint]:
    signatures = sign([file.text for file in files])
    fingerprints = []
    for number, file in enumerate(files):
        origin = Origin(source="measure", repository="measure", path=str(number))
        sha256 = sha256_hex(file.content)
        fingerprints.append(
            Fingerprint(
                document_id=document_id(Kind.FILE, origin, sha256),
                kind=Kind.FILE,
                content_sha256=sha256,
                position=Position(source="measure", offset=number),
                domain=domain(Kind.FILE, file.language, file.path),
                signature=signatures.signature(number),
                num_shingles=int(signatures.num_shingles[number]),
            )
        )
    return fingerprints


def _read_files(data: str) -> Iterator[_File]:
    for place, record in read_records(data):
        if "content" in record and "id" in record:
            try:
                yield _file(place, record)
            except (ValueError, TypeError, AttributeError) as error:
                raise BadInput(f"{place}: {record['id']}: not a file: {error}") from error


def _file(place: str, record: dict[str, Any]) -> _File:
    content = content_of(place, record)
    text = text_of(content)
    language, path = (str(record.get(name) or "") for name in ("language", "path"))
    return _File(
        str(record["id"]), content, content if text is None else text.encode(), language, path
    )
