"""The blob store in S3, or in a server that speaks it, over pyarrow's client.

What that client raises is told apart in `s3_errors`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from pyarrow import fs

from gristmill.runtime.adapters.blobs import (
    BlobSettings,
    altered,
    check_reference,
    is_described,
    missing,
)
from gristmill.runtime.adapters.s3_errors import s3_error
from gristmill.runtime.model import BlobReference, Fatal, GristmillError, NoStore

_ATTEMPTS = 2  # the second is for a connection that had died, or one slow answer


class S3BlobStore:
    """Blobs as objects of one bucket, which exists already.

    A silent server is noticed after two timeouts and a second or so; where it falls silent amid the
    bytes of a blob the client takes six seconds longer to be sure, twice.
    """

    def __init__(self, *, bucket: str, prefix: str, settings: BlobSettings) -> None:
        """Take the place and how to reach it; nothing is sent yet."""
        endpoint = urlsplit(settings.s3_endpoint)
        self._bucket = bucket
        self._root = f"{bucket}/{prefix}" if prefix else bucket
        self._files = fs.S3FileSystem(
            access_key=settings.s3_access_key or None,
            secret_key=settings.s3_secret_key.get_secret_value() or None,
            region=settings.s3_region,
            scheme=endpoint.scheme or "https",
            endpoint_override=endpoint.netloc or None,
            connect_timeout=settings.timeout_seconds,
            # Said to be ignored on Linux; it is not, and without it a frozen server hangs.
            request_timeout=settings.timeout_seconds,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
            background_writes=False,
            allow_delayed_open=True,  # one request for a blob of the usual size, not three
        )

    def put(self, reference: BlobReference, data: bytes) -> None:
        """Store the bytes; see the port."""
        check_reference(reference)
        assert is_described(reference, data), "a reference describes what is put under it"
        with self._explained():
            # Asking first saves a replay its uploads and finds a silent server soonest.
            if self._size(reference) != reference.size_bytes:
                with self._files.open_output_stream(self._path(reference)) as stream:
                    stream.write(data)

    def get(self, reference: BlobReference) -> bytes:
        """Return the bytes, checked; see the port."""
        check_reference(reference)
        with self._explained():
            data = self._read(reference)
        if not is_described(reference, data):
            raise altered(reference)
        return data

    def _path(self, reference: BlobReference) -> str:
        return f"{self._root}/{reference.key}"

    def _size(self, reference: BlobReference) -> int | None:
        try:
            with self._files.open_input_file(self._path(reference)) as stream:
                return int(stream.size())
        except FileNotFoundError:
            return None

    def _read(self, reference: BlobReference) -> bytes:
        try:
            with self._files.open_input_file(self._path(reference)) as stream:
                if stream.size() != reference.size_bytes:
                    raise altered(reference)
                return bytes(stream.read(reference.size_bytes))
        except FileNotFoundError as error:
            # Without its bucket every blob is missing: that must not set every document aside.
            bucket: Any = self._files.get_file_info(self._bucket)
            if bucket.type == fs.FileType.NotFound:
                raise self._no_bucket() from error
            raise missing(reference) from error

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._error(error) from error

    def _error(self, error: OSError) -> GristmillError:
        return s3_error(
            error,
            server="the blob store",
            bucket=self._bucket,
            no_bucket=self._no_bucket(),
            needs="list, read and write",
        )

    def _no_bucket(self) -> Fatal:
        return NoStore(
            f"the blob store has no bucket {self._bucket}: make it, with its lifecycle rule, or "
            "correct the URL"
        )
