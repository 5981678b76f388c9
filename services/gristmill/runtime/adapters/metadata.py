"""What is known of repositories, out of a JSONL file, joined to documents by their repository.

A line is an object: `repository` is the name that the source gives (the root's, the archive's, the
table's), `name` a better one to put in its place, `licence` (or `license`), `revision`, `crawl` and
`fetched_at` (ISO 8601) are what an origin can hold. Other keys are for others and passed over.
What a source tells itself stays.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from gristmill.runtime.model import BadInput, Origin

_MOST_REMEMBERED = 100_000  # names without metadata, to count each once
_MOST_NAMED = 3
_TEXTS = ("name", "revision", "crawl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What one line says of a repository; what it does not say is empty."""

    name: str = ""
    licence: str = ""
    revision: str = ""
    crawl: str = ""
    fetched_at: datetime | None = None


class Metadata:
    """Repositories by name. It remembers which ones were asked for."""

    def __init__(self, sha256: str, known: Mapping[str, Known]) -> None:
        """Take what is known; `sha256` is the hash of the file it stands in."""
        self.sha256 = sha256
        self._known = known
        self._found: set[str] = set()
        self._missing: set[str] = set()

    def completed(self, origin: Origin) -> Origin:
        """Return the origin with what is known of its repository added."""
        known = self._known.get(origin.repository)
        if known is None:
            if len(self._missing) < _MOST_REMEMBERED:
                self._missing.add(origin.repository)
            return origin
        self._found.add(origin.repository)
        return replace(
            origin,
            repository=known.name or origin.repository,
            licence=origin.licence or known.licence,
            revision=origin.revision or known.revision,
            crawl=origin.crawl or known.crawl,
            fetched_at=origin.fetched_at or known.fetched_at,
        )

    def report(self) -> str:
        """Return a sentence: which repositories read so far had no line, how many lines no use.

        Empty where nothing was read.
        """
        met = len(self._found) + len(self._missing)
        if not met:
            return ""
        more = "more than " if len(self._missing) == _MOST_REMEMBERED else ""
        text = (
            f"metadata: of {met:,} repositories read, {len(self._found):,} have a line and "
            f"{more}{len(self._missing):,} have none"
        )
        if self._missing:
            first = sorted(self._missing)[:_MOST_NAMED]
            text += f" ({', '.join(first)}{', …' if len(self._missing) > len(first) else ''})"
        unused = len(self._known) - len(self._found)
        return f"{text}; {unused:,} lines name no repository that was read"


def load_metadata(path: str) -> Metadata:
    """Read a file of metadata whole. Raises BadInput naming the first line that is wrong."""
    digest = hashlib.sha256()
    known: dict[str, Known] = {}
    try:
        with open(path, "rb") as stream:
            for number, line in enumerate(stream, 1):
                digest.update(line)
                if line.strip():
                    _add(known, line, f"{path}, line {number}")
    except OSError as error:
        raise BadInput(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error
    return Metadata(digest.hexdigest(), known)


def _add(known: dict[str, Known], line: bytes, where: str) -> None:
    try:
        about = json.loads(line)
        name, one = _parsed(about)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        detail = f"no key {error}" if isinstance(error, KeyError) else str(error)
        raise BadInput(f"{where}: not an object on a repository: {detail}") from error
    if known.setdefault(name, one) != one:
        raise BadInput(f"{where}: says something else of {name} than a line before")


# Any: what json makes of a line.
def _parsed(about: Any) -> tuple[str, Known]:  # noqa: ANN401
    texts = {key: _text(about.get(key) or "") for key in _TEXTS}
    licence = about.get("licence") or about.get("license") or ""
    licences = licence if isinstance(licence, list) else [licence]
    moment = about.get("fetched_at")
    at = datetime.fromisoformat(moment) if moment else None
    return _text(about["repository"]), Known(
        **texts,
        licence=", ".join(map(_text, licences)),
        fetched_at=at.replace(tzinfo=UTC) if at and at.tzinfo is None else at,
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    value.encode()  # half of a surrogate pair is no text either
    return value
