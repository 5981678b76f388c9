"""From what a user names to the sources that are read, and from a saved listing back to one."""

import glob
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace

from gristmill.runtime.adapters import git_source, remote_source
from gristmill.runtime.adapters.files import text_path
from gristmill.runtime.adapters.git_source import GitSource
from gristmill.runtime.adapters.git_tree import git_directory, git_directory_within
from gristmill.runtime.adapters.listing import ListedSource, LocalSource, Terms
from gristmill.runtime.adapters.remote_source import RemoteSource, is_remote
from gristmill.runtime.adapters.source_settings import SourceSettings
from gristmill.runtime.model import BadInput


def open_sources(
    arguments: Sequence[str],
    terms: Terms,
    *,
    git_head: bool,
    settings: SourceSettings | None = None,
) -> list[ListedSource]:
    """List every SOURCE argument, in their order; one that is named twice is read once.

    A bare git repository is read at HEAD; with `git_head` so is every directory that is named.
    `settings` say how servers are reached. Raises BadInput for what is gone or cannot be listed,
    Transient and Fatal for servers.
    """
    listed: list[ListedSource] = []
    for argument in arguments:
        if is_remote(argument):
            listed.append(RemoteSource.open(argument, terms, settings or SourceSettings()))
        else:
            listed += _open(argument, terms, git_head=git_head)
    if terms.columns is not None:
        _check_tables(listed)
    return list({source.listing.source: source for source in listed}.values())


def reopen_source(
    lines: Sequence[str], settings: Callable[[], SourceSettings] = SourceSettings
) -> ListedSource:
    """Return the source whose listing was written down. Raises BadInput for other lines.

    `settings` are asked for where a server is.
    """
    try:
        kind = json.loads(lines[0]).get("kind", "")
    except (ValueError, IndexError, AttributeError) as error:
        raise BadInput(f"not the listing of a source: {error}") from error
    if kind == git_source.KIND:
        return GitSource.reopen(lines)
    if kind == remote_source.KIND:
        return RemoteSource.reopen(lines, settings())
    return LocalSource.reopen(lines)


def _open(argument: str, terms: Terms, *, git_head: bool) -> list[ListedSource]:
    path = os.fsencode(argument)
    if os.path.isdir(path):
        directory = git_directory_within(path) if git_head else git_directory(path)
        if directory is not None:
            return [GitSource(text_path(path), directory, terms)]
    if not os.path.lexists(path) and glob.has_magic(path):
        return _open_glob(argument, terms, git_head=git_head)
    return [LocalSource.of(argument, terms)]


def _open_glob(pattern: str, terms: Terms, *, git_head: bool) -> list[ListedSource]:
    """Return a source for each repository that matches, and one for all the rest."""
    matches = sorted(glob.glob(os.fsencode(pattern), recursive=True, include_hidden=True))
    found = {match: _repository(match, git_head=git_head) for match in matches}
    repositories = {match: directory for match, directory in found.items() if directory}
    sources: list[ListedSource] = [
        GitSource(text_path(match), directory, terms) for match, directory in repositories.items()
    ]
    if len(sources) < len(matches) or not matches:
        skip = (*terms.selection.skip, *map(os.path.realpath, repositories))
        selection = replace(terms.selection, skip=skip)
        sources.append(LocalSource.of(pattern, replace(terms, selection=selection)))
    return sources


def _repository(path: bytes, *, git_head: bool) -> bytes | None:
    if not os.path.isdir(path) or os.path.islink(path):
        return None
    if git_head and os.path.lexists(os.path.join(path, b".git")):
        return git_directory_within(path)
    return git_directory(path)


def _check_tables(sources: Sequence[ListedSource]) -> None:
    """Raise BadInput if columns were named and nothing has them."""
    checked = [source.check_table() for source in sources]  # all of them
    if not any(checked):
        raise BadInput(
            "--map names columns, but there is no Parquet or JSON lines file among the sources "
            "(.parquet, .jsonl or .ndjson, the latter also with .gz or .zst)"
        )
