"""What servers hold as a source: objects under a prefix or a glob in S3, a file of a web server.

Small files are fetched side by side and given in order; archives and tables are read by parts.
"""

import io
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from fsspec.core import has_magic

from gristmill.runtime.adapters.archives import Open
from gristmill.runtime.adapters.files import text_path
from gristmill.runtime.adapters.http_files import ChangedError, HttpFiles, shown
from gristmill.runtime.adapters.items import Item, to_bytes, to_text
from gristmill.runtime.adapters.listing import ListedSource, Lookup, Terms, parse_listing
from gristmill.runtime.adapters.remote_files import RemoteFile, RemoteFiles
from gristmill.runtime.adapters.selection import Opening, Patterns
from gristmill.runtime.adapters.source_settings import SourceSettings
from gristmill.runtime.model import BadInput, Reason
from gristmill.runtime.ports import Entry

KIND = "remote"
"""What the first line of a listing says of its place."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_AHEAD_BYTES = 32 << 20  # of files that are fetched before their turn
_SECRETS = {
    "access_token", "api-key", "api_key", "apikey", "auth", "auth_token", "authorization",
    "client_secret", "id_token", "job_token", "jwt", "oauth_token", "passwd", "password",
    "private_token", "pwd", "secret", "sig", "signature", "token", "x-amz-security-token",
    "x-amz-signature", "x-api-key", "x-goog-signature",
}  # fmt: skip
"""Names in a query that stand before secrets; `key` is too common for that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where items lie: `root` and an item's path, by a slash, and `query` make a name."""

    files: RemoteFiles
    scheme: str  # what goes before the root to make a URL of it, if anything
    root: str
    query: str = ""
    readers: int = 1

    def name(self, item: Item) -> str:
        return f"{self.root}/{to_text(item.path)}{self.query}"

    def as_line(self) -> dict[str, str]:
        """Return what finds the place again; a query with a secret in it is nothing to keep."""
        keys = {key.lower() for key, _ in parse_qsl(self.query.removeprefix("?"))}
        query = "" if keys & _SECRETS else self.query
        line = {"kind": KIND, "root": f"{self.scheme}{self.root}"}
        return {**line, "query": query} if query else line


def is_remote(argument: str) -> bool:
    """Tell whether a SOURCE names something on a server. Raises BadInput for an unknown kind."""
    match = _SCHEME.match(argument)
    if match is None or os.path.lexists(argument):
        return False
    if match[1] not in {"s3", "https", "http"}:
        raise BadInput(f"{match[1]}:// is no source: there are paths, s3:// and https://")
    return True


class RemoteSource(ListedSource):
    """A fixed, sorted listing of what one URL names."""

    def __init__(self, name: str, place: _Place, items: Sequence[Item], terms: Terms) -> None:
        """Take what was listed."""
        self._at = place
        self._readings: list[_Ahead] = []
        repository = place.root.rstrip("/").rpartition("/")[2]
        super().__init__(name, place.as_line(), items, terms, repository=text_path(repository))

    @classmethod
    def open(cls, argument: str, terms: Terms, settings: SourceSettings) -> "RemoteSource":
        """List what a URL names. Raises BadInput for nothing, Transient for a silent server."""
        if argument.startswith("s3://"):
            path = argument.removeprefix("s3://").rstrip("/")
            place = _s3(path, settings)
            root, found, opening = _find(place.files, path, terms)
            items = [_item(file, root, opening.type_of) for file in found]
            name = argument
        else:
            place, last = _web(argument, settings)
            root, name = place.root, shown(argument)
            try:
                file = place.files.info(f"{root}/{last}{place.query}")
            except FileNotFoundError as error:
                raise BadInput(f"there is nothing at {name}") from error
            version = file.version
            type_ = terms.opening_named.type_of(last.encode())
            size = file.size_bytes or 0
            items = [Item(to_bytes(last), size, file.mtime_ns, type_, "", version)]
        wanted = Patterns(terms.selection)
        listed = sorted(filter(wanted.wants, items), key=lambda item: item.path)
        _refuse_repository(name, listed)
        at = _Place(
            files=place.files,
            scheme=place.scheme,
            root=root,
            query=place.query,
            readers=settings.readers,
        )
        return cls(text_path(name), at, listed, terms)

    @classmethod
    def reopen(cls, lines: Sequence[str], settings: SourceSettings) -> "RemoteSource":
        """Return the source that `lines()` told of; no server is asked. Raises BadInput."""
        about, terms, items = parse_listing(lines)
        try:
            url, query = about["root"], about.get("query", "")
            if url.startswith("s3://"):
                place = _s3(url.removeprefix("s3://"), settings)
            else:
                place, _ = _web(f"{url}/file{query}", settings)
        except (LookupError, AttributeError) as error:
            raise BadInput(f"not the listing of a source: {error}") from error
        return cls(url, place, items, terms)

    def entries(self, start: int) -> Iterator[Entry]:
        """Yield the entries from offset `start` on, files fetched a little ahead of their turn."""
        ahead = _Ahead(self._items, self._fetch, self._at.readers)
        self._readings.append(ahead)
        try:
            yield from super().entries(start)
        finally:
            self._readings.remove(ahead)
            ahead.close()

    def _stands(self, item: Item) -> bool:
        listed = self._listed(item)
        try:
            return listed.is_still(self._at.files.info(listed.path))
        except FileNotFoundError:
            return False

    def _listed(self, item: Item) -> RemoteFile:
        return RemoteFile(
            path=self._at.name(item),
            size_bytes=item.size_bytes or None,  # 0 may be a size that the server did not say
            mtime_ns=item.mtime_ns,
            version=item.version,
        )

    def _look_up(self, item: Item, number: int) -> Lookup:
        del item
        return self._readings[-1].take(number)

    def _fetch(self, item: Item) -> Lookup:
        most = self.limits.max_member_bytes
        if item.size_bytes > most:
            return Lookup(fault=Reason.TOO_LARGE)
        try:
            content = self._at.files.read(self._listed(item), most + 1)
        except FileNotFoundError:
            return Lookup(fault=Reason.UNREADABLE, detail="it is gone")
        except OSError as error:
            return Lookup(fault=Reason.UNREADABLE, detail=str(error))
        if len(content) > most:
            return Lookup(fault=Reason.TOO_LARGE)
        return Lookup(content=content)

    def _open(self, item: Item) -> Open:
        def open_it() -> tuple[io.RawIOBase, int]:
            listed = self._listed(item)
            file = self._at.files.info(listed.path)
            if not listed.is_still(file):
                raise ChangedError
            return self._at.files.open(file)

        return open_it


class _Ahead:
    """Fetches small files before their turn: the more, the longer somebody goes on reading."""

    def __init__(
        self, items: Sequence[Item], fetch: Callable[[Item], Lookup], readers: int
    ) -> None:
        self._items, self._fetch, self._readers = items, fetch, readers
        self._pool: ThreadPoolExecutor | None = None
        self._waiting: dict[int, Future[Lookup]] = {}
        self._bytes = 0
        self._following = 0
        self._window = 1

    def take(self, number: int) -> Lookup:
        """Return what was fetched for an item."""
        self._pool = self._pool or ThreadPoolExecutor(self._readers)
        self._following = max(self._following, number)
        while self._following < min(number + self._window, len(self._items)):
            item = self._items[self._following]
            if item.type == "file":
                if self._waiting and self._bytes + item.size_bytes > _AHEAD_BYTES:
                    break
                self._waiting[self._following] = self._pool.submit(self._fetch, item)
                self._bytes += item.size_bytes
            self._following += 1
        self._window = min(2 * self._window, 2 * self._readers)
        found = self._waiting.pop(number, None)
        if found is None:
            return self._fetch(self._items[number])
        self._bytes -= self._items[number].size_bytes
        return found.result()

    def close(self) -> None:
        """Forget what was not taken."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def _s3(path: str, settings: SourceSettings) -> _Place:
    if not path.partition("/")[0]:
        raise BadInput("an S3 source is like s3://bucket/prefix")
    # It loads the client library, which whoever reads local files does not need.
    from gristmill.runtime.adapters.s3_files import explain_s3, open_s3  # noqa: PLC0415

    files = RemoteFiles(open_s3(settings), attempts=settings.attempts, explain=explain_s3)
    return _Place(files=files, scheme="s3://", root=path, readers=settings.readers)


def _web(url: str, settings: SourceSettings) -> tuple[_Place, str]:
    """Return the place of a file on a web server, and the file's name in it."""
    try:
        parts = urlsplit(url)
        usable = parts.hostname is not None and parts.port != 0
    except ValueError as error:
        raise BadInput(f"{shown(url)} is no URL: {error}") from error
    if parts.username is not None:
        raise BadInput("a URL with a password in it is not taken: it would end up in the tables")
    folder, _, last = parts.path.rpartition("/")
    if not usable or not last:
        raise BadInput(f"{shown(url)} names no file: a web server does not list what it has")
    files = RemoteFiles(HttpFiles(settings), attempts=settings.attempts)
    root = f"{parts.scheme}://{parts.netloc}{folder}"
    query = f"?{parts.query}" if parts.query else ""
    return _Place(files=files, scheme="", root=root, query=query, readers=settings.readers), last


def _find(files: RemoteFiles, path: str, terms: Terms) -> tuple[str, list[RemoteFile], Opening]:
    """Return the root, the files under it that a path or a glob names, and what is opened."""
    if has_magic(path.partition("/")[0]):
        raise BadInput("an S3 source names its bucket, as s3://bucket/prefix")
    try:
        named = files.info(path)
    except FileNotFoundError as error:
        if not has_magic(path):
            raise BadInput(f"there is nothing at s3://{path}") from error
    else:
        if named.is_folder:
            return path, files.find(path), terms.opening
        return path.rpartition("/")[0], [named], terms.opening_named
    found: dict[str, RemoteFile] = {}
    for match in files.glob(path):
        under = files.find(match.path) if match.is_folder else [match]
        found.update((file.path, file) for file in under)
    if not found:
        raise BadInput(f"nothing matches s3://{path}")
    parts = path.split("/")
    fixed = next(n for n, part in enumerate(parts) if has_magic(part))
    return "/".join(parts[:fixed]), list(found.values()), terms.opening


def _item(file: RemoteFile, root: str, type_of: Callable[[bytes], str]) -> Item:
    path = to_bytes(file.path.removeprefix(f"{root}/"))
    return Item(path, file.size_bytes or 0, file.mtime_ns, type_of(path), "", file.version)


def _refuse_repository(name: str, items: Sequence[Item]) -> None:
    """Raise BadInput for a git repository: its objects one by one are nothing to curate."""
    if any(item.path == b"HEAD" for item in items) and any(
        item.path.startswith(b"objects/") for item in items
    ):
        raise BadInput(f"{name} is a git repository: clone it, and name the clone")
