"""The blob store in local files and in memory, its settings, and the choice between all stores.

A key is `blobs/<day of ingestion>/<sha256>`: the hash makes putting again harmless and getting
checked, the day lets a lifecycle rule remove what is old (docs/blobs.md). A reference comes out of
a message, so that its key is looked at before anything is opened. S3 is in `s3_blobs`.
"""

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import SecretStr

from gristmill.runtime.model import (
    BadInput,
    BlobReference,
    Fatal,
    NoStore,
    Poison,
    Reason,
    Transient,
)
from gristmill.runtime.model.document import sha256_hex
from gristmill.runtime.ports import BlobStore

MEMORY = "memory:"
"""The URL of a store that is gone with its process: for tests."""

_NO_SECRET = SecretStr("")
_KEY = re.compile(r"blobs/[0-9]{4}-[0-9]{2}-[0-9]{2}/([0-9a-f]{64})")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FULL = {errno.ENOSPC, errno.EDQUOT}
_REFUSED = {
    errno.EACCES,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobSettings:
    """Where bodies too large for a message lie. All workers of one topic need the same store."""

    url: str = ".local/blobs"
    """A directory, `file:///directory`, `s3://bucket/prefix`, or `memory:` for tests."""

    s3_endpoint: str = ""
    """The server, as `https://host:port`; empty takes Amazon's for the region."""

    s3_region: str = "us-east-1"
    """The region of the bucket; servers other than Amazon's mostly take any."""

    s3_access_key: str = ""
    """Empty takes what the environment gives: AWS_ACCESS_KEY_ID, a profile, the machine's role."""

    s3_secret_key: SecretStr = _NO_SECRET
    """The secret that belongs to the access key."""

    timeout_seconds: float = 3.0
    """Seconds of silence after which S3 is asked once more, and then counts as out; 1 at least."""

    def __post_init__(self) -> None:
        # Below a second the client library takes the limit for none at all.
        if not 1 <= self.timeout_seconds < float("inf"):
            raise ValueError("timeout_seconds must be at least 1")
        if bool(self.s3_access_key) != bool(self.s3_secret_key.get_secret_value()):
            raise ValueError("s3_access_key and s3_secret_key go together")
        if self.s3_endpoint and not _is_endpoint(self.s3_endpoint):
            raise ValueError("s3_endpoint must be like https://host:port, without a path")


def open_blob_store(settings: BlobSettings) -> BlobStore:
    """Return the store that the settings name; nothing is asked or made until it is used.

    Raises BadInput for a URL that is none of the known kinds.
    """
    url = settings.url
    if url == MEMORY:
        return MemoryBlobStore()
    scheme = _SCHEME.match(url)
    if scheme is None:
        return FileBlobStore(_directory(url))
    # From here on a message never repeats the URL: people put secrets into them.
    parts = _split(url)
    if scheme[1] == "file":
        if not url.startswith("file:///") or parts.query or parts.fragment:
            raise BadInput("the URL of a blob store in files is like file:///directory")
        return FileBlobStore(_directory(unquote(parts.path)))
    if scheme[1] == "s3":
        prefix = parts.path.strip("/")
        odd = parts.query or parts.fragment or _is_odd(prefix)
        if odd or not _BUCKET.fullmatch(parts.netloc):
            raise BadInput(
                "the URL of a blob store in S3 is like s3://bucket/prefix; the server, the region "
                "and the access key are settings of their own"
            )
        # It loads the client library, which whoever keeps blobs in files does not need.
        from gristmill.runtime.adapters.s3_blobs import S3BlobStore  # noqa: PLC0415

        return S3BlobStore(bucket=parts.netloc, prefix=prefix, settings=settings)
    raise BadInput(
        f"there is no blob store for {scheme[1]}: URLs; name a directory, file:///directory or "
        "s3://bucket/prefix"
    )


def blob_reference(data: bytes, ingested_on: date) -> BlobReference:
    """Return the reference under which the bytes are put, the same wherever it is made."""
    sha256 = sha256_hex(data)
    day = date(ingested_on.year, ingested_on.month, ingested_on.day).isoformat()
    return BlobReference(key=f"blobs/{day}/{sha256}", sha256=sha256, size_bytes=len(data))


def check_reference(reference: BlobReference) -> None:
    """Raise Poison unless the key is one that `blob_reference` makes, of this hash."""
    match = _KEY.fullmatch(reference.key)
    if match is None or match[1] != reference.sha256 or reference.size_bytes < 0:
        raise Poison(Reason.UNREADABLE, f"{reference.key[:120]!r} is not a blob's key or hash")


def is_described(reference: BlobReference, data: bytes) -> bool:
    """Whether these are the bytes that the reference describes."""
    return len(data) == reference.size_bytes and sha256_hex(data) == reference.sha256


def missing(reference: BlobReference) -> Poison:
    """Return the error that a blob is gone."""
    return Poison(
        Reason.UNREADABLE,
        f"{reference.key} is not in the blob store: never stored, or older than its lifecycle rule",
    )


def altered(reference: BlobReference) -> Poison:
    """Return the error that a blob is not what it was."""
    return Poison(
        Reason.UNREADABLE, f"{reference.key} holds other bytes than its reference describes"
    )


class FileBlobStore:
    """Blobs as files under one directory, each complete and on disk before its name exists.

    The file system keeps its own deadlines: one that hangs, hangs the caller.
    """

    def __init__(self, directory: str) -> None:
        """Take the directory; the first blob makes it."""
        self._directory = os.path.abspath(directory)

    def put(self, reference: BlobReference, data: bytes) -> None:
        """Store the bytes; see the port."""
        check_reference(reference)
        assert is_described(reference, data), "a reference describes what is put under it"
        path = os.path.join(self._directory, reference.key)
        with self._explained():
            # Of another size it is what a crash of the machine left: then it is written anew.
            if _file_size(path) != reference.size_bytes:
                _write_atomically(path, data)

    def get(self, reference: BlobReference) -> bytes:
        """Return the bytes, checked; see the port."""
        check_reference(reference)
        with self._explained():
            data = self._read(reference)
        if not is_described(reference, data):
            raise altered(reference)
        return data

    def _read(self, reference: BlobReference) -> bytes:
        try:
            descriptor = os.open(os.path.join(self._directory, reference.key), _FLAGS)
        except FileNotFoundError as error:
            # A wrong or unmounted directory must not set every document aside, one by one.
            if not os.path.isdir(os.path.join(self._directory, "blobs")):
                raise NoStore(f"there is no blob store in {self._directory}") from error
            raise missing(reference) from error
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.ENXIO}:  # a link; a pipe or socket
                raise altered(reference) from error
            raise
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_size != reference.size_bytes:
                raise altered(reference)
            with open(descriptor, "rb", closefd=False) as stream:
                return stream.read(reference.size_bytes + 1)
        finally:
            os.close(descriptor)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            text = (error.strerror or str(error)).lower()
            if error.errno in _FULL:
                raise Fatal(f"the disk of the blob store {self._directory} is full") from error
            if error.errno in _REFUSED:
                raise Fatal(f"the blob store {self._directory} refuses: {text}") from error
            raise Transient(f"the blob store {self._directory} does not answer: {text}") from error


class MemoryBlobStore:
    """Blobs in memory: the twin for tests, which may change `blobs` and set `silent`."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.silent = False

    def put(self, reference: BlobReference, data: bytes) -> None:
        """Store the bytes; see the port."""
        self._answer()
        check_reference(reference)
        assert is_described(reference, data), "a reference describes what is put under it"
        self.blobs.setdefault(reference.key, data)

    def get(self, reference: BlobReference) -> bytes:
        """Return the bytes, checked; see the port."""
        self._answer()
        check_reference(reference)
        data = self.blobs.get(reference.key)
        if data is None:
            raise missing(reference)
        if not is_described(reference, data):
            raise altered(reference)
        return data

    def _answer(self) -> None:
        if self.silent:
            raise Transient("the blob store does not answer")


def _is_endpoint(text: str) -> bool:
    try:
        parts = urlsplit(text)
        usable = parts.hostname is not None and parts.port != 0
    except ValueError:  # a port that is none, a broken IPv6 address
        return False
    beyond = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
    return parts.scheme in {"http", "https"} and usable and not beyond


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError as error:
        raise BadInput("the URL of the blob store cannot be read") from error


def _is_odd(prefix: str) -> bool:
    """Whether some server or library would take the prefix for another one."""
    segments = prefix.split("/") if prefix else []
    return any(not re.fullmatch(r"[A-Za-z0-9_=.-]+", one) or one in {".", ".."} for one in segments)


def _directory(path: str) -> str:
    if not path or "\0" in path:
        raise BadInput("the blob store needs a directory, file:///directory or s3://bucket/prefix")
    return path


def _file_size(path: str) -> int | None:
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _write_atomically(path: str, data: bytes) -> None:
    folder = os.path.dirname(path)
    _make_directory(folder)
    # A name of its own for every writer, on any host; what a killed one leaves ages like a blob.
    temporary = os.path.join(folder, f".{secrets.token_hex(8)}.new")
    try:
        with open(temporary, "xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_directory(folder)


def _make_directory(folder: str) -> None:
    if os.path.isdir(folder):
        return
    parent = os.path.dirname(folder)
    _make_directory(parent)
    with suppress(FileExistsError):  # another writer was quicker
        os.mkdir(folder)
    _sync_directory(parent)


def _sync_directory(folder: str) -> None:
    """Put the names in a directory on disk: the message that refers to them may be next."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
