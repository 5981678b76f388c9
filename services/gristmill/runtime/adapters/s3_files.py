"""Objects in S3 as an fsspec file system, over the client that pyarrow brings along."""

import os
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from fsspec.implementations.arrow import ArrowFSWrapper
from pyarrow import NativeFile, fs

from gristmill.runtime.adapters.s3_errors import s3_error
from gristmill.runtime.adapters.source_settings import SourceSettings
from gristmill.runtime.model import Fatal, GristmillError


# Any: fsspec carries no types.
class S3Files(ArrowFSWrapper):  # type: ignore[misc]
    """fsspec's wrapper around Arrow's client, with listings in one go."""

    cachable = False  # settings hold secrets, and fsspec remembers what it was made with

    # Any: fsspec's options for depth and detail; whoever asks with details gets the whole depth.
    def find(self, path: str, *, withdirs: bool = False, **_: Any) -> dict[str, Any]:  # noqa: ANN401
        """Return what lies under a prefix, folders too if wanted, as fsspec does with details."""
        selector = fs.FileSelector(path, recursive=True, allow_not_found=True)
        found = self.fs.get_file_info(selector)
        is_file = fs.FileType.File
        return {one.path: self._make_entry(one) for one in found if withdirs or one.type == is_file}

    def cat_file(
        self,
        path: str,
        start: int | None = None,
        end: int | None = None,
        **options: Any,  # noqa: ANN401
    ) -> bytes:
        """Return a file's bytes, or a part of them; fewer only where the file ends.

        `check` in the options is given what `info` would say of what is read.
        """
        begin = start or 0
        with self.fs.open_input_file(path) as file:
            if (check := options.get("check")) is not None:
                check(_told(file, path))
            file.seek(begin)
            content: bytes = file.read(None if end is None else end - begin)
        return content


def _told(file: NativeFile, path: str) -> dict[str, Any]:
    # The client asked for them when it opened the file.
    modified = file.metadata().get("Last-Modified", b"").decode()
    moment = datetime.fromisoformat(modified) if modified else None
    return {"name": path, "type": "file", "size": file.size(), "mtime": moment}


def open_s3(settings: SourceSettings) -> S3Files:
    """Return the file system; nothing is sent yet."""
    # Arrow reads the other variables of AWS by itself.
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
    standard = next((os.environ[name] for name in names if os.environ.get(name)), "")
    endpoint = urlsplit(settings.s3_endpoint or standard)
    keys = {
        "access_key": settings.s3_access_key,
        "secret_key": settings.s3_secret_key.get_secret_value(),
        "region": settings.s3_region,
        "scheme": endpoint.scheme,
        "endpoint_override": endpoint.netloc,
    }
    client = fs.S3FileSystem(
        **{name: value for name, value in keys.items() if value},
        anonymous=settings.s3_anonymous,
        connect_timeout=settings.timeout_seconds,
        request_timeout=settings.timeout_seconds,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=1),  # we ask again ourselves
    )
    return S3Files(client)


def explain_s3(error: OSError, path: str) -> GristmillError:
    """Return what an error of the client means."""
    bucket = path.partition("/")[0]
    return s3_error(
        error,
        server="the S3 server of a source",
        bucket=bucket,
        no_bucket=Fatal(f"there is no bucket {bucket}"),
        needs="list and read",
    )
