"""Reading files for the calibration of error budgets, and parsing each of them."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import islice
from typing import Any, Final

from gristmill.cli.labelled import content_of, read_records, text_of
from gristmill.runtime.model import BadInput
from gristmill.runtime.model.languages import Language, find_language, languages_of_path
from gristmill.syntax.budgets import TABLE, Source, Table
from gristmill.syntax.calibration import Shares, calibrate, damaged
from gristmill.syntax.grammars import candidate_of
from gristmill.syntax.inference import infer_language
from gristmill.syntax.literate import code_of
from gristmill.syntax.verdict import RULES, share_of_errors

_LARGEST: Final = 1 << 20
_FOLDERS: Final = 5
"""The fewest folders that a full number of trusted files comes from."""
# What lies here is broken on purpose, or no file in a language yet.
_UNTRUSTED: Final = frozenset(
    ("test", "tests", "testdata", "testing", "fixtures", "examplefiles", "templates", "t")
)


@dataclass(frozen=True, slots=True)
class _File:
    """A file with what is known of it: ok, error, or empty for one that is only trusted."""

    language: Language
    text: str
    folder: str
    """The first folder of its path: the package, as a rule."""
    status: str = ""


def calibrate_on(directories: Sequence[str], *, most: int) -> Table:
    """Return the table of budgets that the files of the directories ask for."""
    shares: dict[str, Shares] = defaultdict(Shares)
    seen: set[bytes] = set()
    sources = [_count_all(directory, most, shares, seen) for directory in directories]
    return replace(calibrate(shares, TABLE), rules=RULES, most=most, sources=tuple(sources))


def _count_all(directory: str, most: int, shares: dict[str, Shares], seen: set[bytes]) -> Source:
    """Count a directory's files that were not seen before, and tell what they were."""
    digests: list[bytes] = []
    size = 0
    for file in _files(directory, most):
        digest = sha256(f"{file.language.name}\n{file.text}".encode()).digest()
        if digest not in seen:
            seen.add(digest)
            digests.append(digest)
            size += len(file.text.encode())
            _count(shares[file.language.name], file)
    return Source(
        name=os.path.basename(os.path.abspath(directory)),
        files=len(digests),
        bytes=size,
        digest=sha256(b"".join(sorted(digests))).hexdigest(),
    )


def _count(shares: Shares, file: _File) -> None:
    share = share_of_errors(file.language, file.text)
    if file.status == "error":
        shares.broken.append(share)
        return
    (shares.labelled if file.status else shares.trusted).append(share)
    grammar = candidate_of(file.language)
    # What stands in a literate text is not told by the tree of its code.
    if grammar is not None and not share and code_of(file.language.name, file.text) is file.text:
        broken = damaged(grammar, file.text)
        if broken is not None:
            shares.damaged.append(share_of_errors(file.language, broken))


def _files(directory: str, most: int) -> Iterator[_File]:
    """Return the files of a directory, `most` trusted ones of a language at most."""
    if not os.path.isdir(directory):
        raise BadInput(f"{directory} is not a directory")
    is_labelled = any(name.endswith((".jsonl", ".jsonl.gz")) for name in os.listdir(directory))
    trusted: dict[str, list[_File]] = defaultdict(list)
    for file in _labelled(directory) if is_labelled else _trusted(directory, most):
        if candidate_of(file.language) is None:
            continue
        if file.status:
            yield file
        else:
            trusted[file.language.name].append(file)
    for files in trusted.values():
        # By hash: a part of them that is the same each time and prefers no folder.
        files.sort(key=lambda file: sha256(file.text.encode()).digest())
        yield from islice(_mixed(files, max(1, most // _FOLDERS)), most)


def _mixed(files: list[_File], most: int) -> Iterator[_File]:
    """Return files, `most` of one folder: what one package writes says little of a language."""
    num: Counter[str] = Counter()
    for file in files:
        num[file.folder] += 1
        if num[file.folder] <= most:
            yield file


def _labelled(directory: str) -> Iterator[_File]:
    for place, record in read_records(directory):
        language = find_language(str(record.get("language")))
        if "content" not in record or language is None or record.get("fragment"):
            continue
        status = _status(place, record)
        if status == "" and not _is_trusted(str(record.get("path") or "")):
            continue
        text = None if status is None else text_of(content_of(place, record))
        if text is not None:
            yield _File(language, text, _folder(str(record.get("path") or "")), status or "")


def _status(place: str, record: dict[str, Any]) -> str | None:
    """Return ok, error or nothing; None for a record that is neither sound nor broken."""
    syntax = record.get("syntax") or {}
    if not isinstance(syntax, dict):
        raise BadInput(f"{place}: `syntax` is no JSON object")
    status = syntax.get("status", "unknown")
    if syntax.get("dialect") or status not in ("ok", "error", "unknown"):
        return None
    return "" if status == "unknown" else str(status)


def _trusted(directory: str, most: int) -> Iterator[_File]:
    """Return the files below a directory that are in a known language."""
    by_name: dict[str, list[str]] = defaultdict(list)
    for folder, folders, names in os.walk(directory):
        folders[:] = [name for name in folders if name.lower() not in _UNTRUSTED]
        for name in names:
            path = os.path.join(folder, name)
            usual = languages_of_path(name)
            if usual and _is_trusted(name) and _is_readable(path):
                by_name[usual[0]].append(path)
    for paths in by_name.values():
        paths.sort(key=lambda path: sha256(path.encode(errors="surrogateescape")).digest())
        for path in paths[: 2 * most]:
            with open(path, "rb") as stream:
                text = text_of(stream.read())
            language = None if text is None else infer_language(path, text).language
            if text is not None and language is not None:
                yield _File(language, text, _folder(os.path.relpath(path, directory)))


def _folder(path: str) -> str:
    return path.partition("/")[0] if "/" in path else ""


def _is_trusted(path: str) -> bool:
    return not path.endswith(".in") and _UNTRUSTED.isdisjoint(path.lower().split("/"))


def _is_readable(path: str) -> bool:
    return os.path.isfile(path) and not os.path.islink(path) and os.path.getsize(path) < _LARGEST
